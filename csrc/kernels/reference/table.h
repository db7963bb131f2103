// The reference kernels: docs/numerics.md as scalar loops. Every other table must equal their bytes.
#pragma once

#include "core/requantize.h"
#include "kernels/kernels.h"

namespace icepoint {

const Kernels& reference_table();

namespace reference {

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
void lookup(const LookupArgs&);
void clamp(const ClampArgs&);
void upsample_bilinear(const UpsampleBilinearArgs&);
void quantize(const QuantizeArgs&);

/// y[index] = acc as int32 where `q` is null, else Q(acc) of that channel as uint8.
/// The sum arrives in 64 bits and is cut to int32: the overflow proof says that nothing is lost,
/// and without a proof it wraps as the int32 sums of every other table do.
inline void store(const Requant* q, void* y, int64_t index, int64_t channel, int64_t sum) {
  const int32_t acc = static_cast<int32_t>(sum);
  if (q == nullptr)
    static_cast<int32_t*>(y)[index] = acc;
  else
    static_cast<uint8_t*>(y)[index] = static_cast<uint8_t>(
        requantize_clamp(acc, q->multiplier[channel], q->shift[channel], q->zero_point, q->lo, q->hi));
}

}  // namespace reference
}  // namespace icepoint
