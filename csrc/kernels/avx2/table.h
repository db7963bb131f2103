// The kernels of CPUs with AVX2.
#pragma once

#include "kernels/kernels.h"

namespace icepoint {

const Kernels& avx2_table();

namespace avx2 {

size_t conv2d_packed_size(const Conv2dSpec&);
void conv2d_pack(const Conv2dSpec&, void* packed);
void conv2d(const Conv2dArgs&);

}  // namespace avx2
}  // namespace icepoint
