// Convolution of the portable table: wide/ over its vector.
#include "kernels/portable/table.h"
#include "kernels/portable/vec.h"
#include "kernels/wide/conv2d.h"

namespace icepoint::portable {

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  return wide::conv2d_packed_size<Vec>(spec);
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  wide::conv2d_pack<Vec>(spec, packed);
}

void conv2d(const Conv2dArgs& args) {
  wide::Conv2d<Vec>(args).run();
}

}  // namespace icepoint::portable
