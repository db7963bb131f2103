// The kernels of any CPU: 128-bit vectors, of SSE2 or as the compiler has them.
#pragma once

#include "kernels/kernels.h"

namespace icepoint {

const Kernels& portable_table();

namespace portable {

size_t conv2d_packed_size(const Conv2dSpec&);
void conv2d_pack(const Conv2dSpec&, void* packed);
void conv2d(const Conv2dArgs&);

}  // namespace portable
}  // namespace icepoint
