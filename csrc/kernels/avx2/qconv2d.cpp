// Convolution of the avx2 table: wide/ over its vector.
#include "kernels/avx2/table.h"
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX2
#include "kernels/avx2/vec.h"
#include "kernels/wide/qconv2d16.h"

namespace icepoint::avx2 {

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  return wide::qconv2d16_packed_size<Vec>(narrow_kernels, spec);
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  wide::qconv2d16_pack<Vec>(narrow_kernels, spec, packed);
}

void conv2d(const Conv2dArgs& args) {
  wide::qconv2d16<Vec>(narrow_kernels, args);
}

}  // namespace icepoint::avx2

ICEPOINT_TARGET_END
#endif
