// The kernels of CPUs with AVX-512 F, BW, DQ, VL and VNNI.
#pragma once

#include "kernels/kernels.h"

namespace icepoint {

const Kernels& avx512vnni_table();

namespace avx512vnni {

size_t conv2d_packed_size(const Conv2dSpec&);
void conv2d_pack(const Conv2dSpec&, void* packed);
void conv2d(const Conv2dArgs&);
void lookup_vbmi(const LookupArgs&);  // one table for all channels

}  // namespace avx512vnni
}  // namespace icepoint
