// The kernels of the amx table: convolutions on tiles, all else the avx512vnni table's.
#pragma once

#include "kernels/kernels.h"

namespace icepoint::amx {

size_t conv2d_packed_size(const Conv2dSpec&);
void conv2d_pack(const Conv2dSpec&, void* packed);
void conv2d(const Conv2dArgs&);

}  // namespace icepoint::amx
