// Convolution of the avx512vnni table: wide/ over its vector.
#include "kernels/avx512vnni/table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX512VNNI
#include "kernels/avx512vnni/vec.h"
#include "kernels/wide/conv2d.h"

namespace icepoint::avx512vnni {

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  return wide::conv2d_packed_size<Vec>(spec);
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  wide::conv2d_pack<Vec>(spec, packed);
}

void conv2d(const Conv2dArgs& args) {
  wide::Conv2d<Vec>(args).run();
}

}  // namespace icepoint::avx512vnni

ICEPOINT_TARGET_END
#endif
