// Convolution of the amx table: on tiles where they win, else the avx512vnni table's; one packed form for
// both.
#include "kernels/amx/choice.h"
#include "kernels/amx/table.h"
#include "kernels/amx/tile.h"
#include "kernels/amx/tiling.h"
#include "kernels/avx512vnni/table.h"
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX512VNNI
#include "kernels/amx/conv2d.h"
#include "kernels/wide/pack.h"

namespace icepoint::amx {

namespace {

bool on_tiles(const Conv2dSpec& spec) {
  if (is_narrow(spec.g)) return false;
  const wide::Plan plan(spec, wide::panel_shape<Vec>(spec, kStep));
  return fits_tiles(plan) && is_deep(plan);
}

}  // namespace

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  return on_tiles(spec) ? wide::conv2d_packed_size<Vec>(spec, kStep) : avx512vnni::conv2d_packed_size(spec);
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  if (!on_tiles(spec)) return avx512vnni::conv2d_pack(spec, packed);
  wide::conv2d_pack<Vec>(spec, packed, kStep);
  static_cast<wide::Plan*>(packed)->algorithm = wide::Algorithm::tiles;
}

void conv2d(const Conv2dArgs& a) {
  if (is_narrow(*a.g) || wide::algorithm_of(a.packed) != wide::Algorithm::tiles) return avx512vnni::conv2d(a);
  const wide::Plan& plan = *static_cast<const wide::Plan*>(a.packed);
  if (is_worth_it(a, plan))
    Conv2d<Tiles>(a, plan).run();
  else
    avx512vnni::conv2d(a);
}

}  // namespace icepoint::amx

ICEPOINT_TARGET_END
#endif
