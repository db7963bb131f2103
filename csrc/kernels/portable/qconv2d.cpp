// Convolution of the portable table: wide/ over its vector.
#include "kernels/portable/table.h"
#include "kernels/portable/vec.h"
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/qconv2d16.h"

namespace icepoint::portable {

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  return wide::qconv2d16_packed_size<Vec>(narrow_kernels, spec);
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  wide::qconv2d16_pack<Vec>(narrow_kernels, spec, packed);
}

void conv2d(const Conv2dArgs& args) {
  wide::qconv2d16<Vec>(narrow_kernels, args);
}

}  // namespace icepoint::portable
