// The kernels of the avx2 table.
#pragma once

#include "kernels/kernels.h"

namespace icepoint {

namespace avx2 {

size_t conv2d_packed_size(const Conv2dSpec&);
void conv2d_pack(const Conv2dSpec&, void* packed);
void conv2d(const Conv2dArgs&);

}  // namespace avx2
}  // namespace icepoint
