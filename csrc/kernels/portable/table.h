// The portable kernels: loops that the compiler vectorizes on any CPU (SSE2, NEON, ...).
#pragma once

#include "kernels/kernels.h"

namespace icepoint {

const Kernels& portable_table();

namespace portable {

size_t conv2d_packed_size(const Conv2dGeometry&);
void conv2d_pack(const Conv2dGeometry&, const int16_t* weight, void* packed);
void conv2d(const Conv2dArgs&);
size_t linear_packed_size(int64_t in, int64_t out);
void linear_pack(int64_t in, int64_t out, const int16_t* weight, void* packed);
void linear(const LinearArgs&);
void conv_transpose2d(const ConvTranspose2dArgs&);
void max_pool2d(const MaxPool2dArgs&);
void avg_pool2d(const AvgPool2dArgs&);
void add(const AddArgs&);
void mul(const MulArgs&);
void affine(const AffineArgs&);
void clamp(const ClampArgs&);
void quantize(const QuantizeArgs&);

}  // namespace portable
}  // namespace icepoint
