// The reference kernels: docs/numerics.md as scalar loops. Every other table must equal their bytes.
#pragma once

#include "core/requantize.h"
#include "kernels/kernels.h"

namespace icepoint {

const Kernels& reference_table();

namespace reference {

size_t conv2d_packed_size(const Conv2dSpec&);
void conv2d_pack(const Conv2dSpec&, void* packed);
void conv2d(const Conv2dArgs&);
void conv_transpose2d(const ConvTranspose2dArgs&);
void max_pool2d(const MaxPool2dArgs&);
void avg_pool2d(const AvgPool2dArgs&);
void add(const AddArgs&);
void mul(const MulArgs&);
void affine(const AffineArgs&);
void lookup(const LookupArgs&);
void clamp(const ClampArgs&);
void upsample_bilinear(const UpsampleBilinearArgs&);
void quantize(const QuantizeArgs&);
void load(const LoadArgs&);
void store(const StoreArgs&);

}  // namespace reference
}  // namespace icepoint
