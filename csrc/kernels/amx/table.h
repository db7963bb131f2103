// The amx table: convolutions on tiles, all else the avx512vnni table's.
#pragma once

#include "kernels/kernels.h"

namespace icepoint {

const Kernels& amx_table();

namespace amx {

size_t conv2d_packed_size(const Conv2dSpec&);
void conv2d_pack(const Conv2dSpec&, void* packed);
void conv2d(const Conv2dArgs&);

}  // namespace amx
}  // namespace icepoint
