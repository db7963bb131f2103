// Convolution of the amx table: on tiles where they win, else the avx512vnni table's; one packed form for
// both.
#include "kernels/amx/choice.h"
#include "kernels/amx/multiply.h"
#include "kernels/amx/table.h"
#include "kernels/amx/tiling.h"
#include "kernels/avx512vnni/table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX512VNNI
#include "kernels/amx/conv2d.h"
#include "kernels/wide/pack.h"

namespace icepoint::amx {

// Both read the padded form; only what may run on tiles pays for it.
static int64_t run_unit(const Conv2dSpec& spec) {
  return fits_tiles(wide::Plan(spec, wide::panel_shape<Vec>(spec.kind, 0))) ? kStep : 0;
}

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  return wide::conv2d_packed_size<Vec>(spec, run_unit(spec));
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  wide::conv2d_pack<Vec>(spec, packed, run_unit(spec));
}

void conv2d(const Conv2dArgs& a) {
  const wide::Plan& plan = *static_cast<const wide::Plan*>(a.packed);
  if (fits_tiles(plan) && fills_tiles(a, plan))
    Conv2d<Tiles>(a, plan).run();
  else
    avx512vnni::conv2d(a);
}

}  // namespace icepoint::amx

ICEPOINT_TARGET_END
#endif
