// Convolution of the avx2 table: wide/ over its vector.
#include "kernels/avx2/table.h"
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX2
#include "kernels/avx2/vec.h"
#include "kernels/wide/conv2d.h"
#include "kernels/wide/strassen.h"
#include "kernels/wide/winograd.h"

namespace icepoint::avx2 {

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  if (is_narrow(spec.g)) return narrow_kernels.packed_size(spec);
  if (wide::winograd_fits(spec)) return wide::winograd_plan<Vec>(spec).packed_size();
  if (wide::strassen_fits<Vec>(spec)) return wide::strassen_plan<Vec>(spec).packed_size();
  return wide::conv2d_packed_size<Vec>(spec);
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  if (is_narrow(spec.g)) return narrow_kernels.pack(spec, packed);
  if (wide::winograd_fits(spec)) return wide::winograd_pack<Vec>(spec, packed);
  if (wide::strassen_fits<Vec>(spec)) return wide::strassen_pack<Vec>(spec, packed);
  wide::conv2d_pack<Vec>(spec, packed);
}

void conv2d(const Conv2dArgs& args) {
  if (is_narrow(*args.g)) return narrow_kernels.conv2d(args);
  switch (wide::algorithm_of(args.packed)) {
    case wide::Algorithm::winograd:
      return wide::Winograd<Vec>(args).run();
    case wide::Algorithm::strassen:
      return wide::strassen<Vec>(args);
    default:
      return wide::Conv2d<Vec>(args).run();
  }
}

}  // namespace icepoint::avx2

ICEPOINT_TARGET_END
#endif
