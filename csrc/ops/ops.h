// Every operator as a C++ function; the meanings stand in library.cpp beside the schemas.
#pragma once

#include <optional>
#include <vector>

#include "ops/arguments.h"

namespace icepoint::ops {

using Axis = std::optional<int64_t>;
using Bias = std::optional<Tensor>;

Tensor quantize(const Tensor& x, const Tensor& scale, const Tensor& zero_point, int64_t qmin, int64_t qmax,
                Axis axis);
Tensor dequantize(const Tensor& q, const Tensor& scale, const Tensor& zero_point, Axis axis);
Tensor fake_quantize(const Tensor& x, const Tensor& scale, const Tensor& zero_point, int64_t qmin,
                     int64_t qmax, Axis axis);
/// Gradients of x, shaped as it is, and of scale and zero_point, one for each channel.
std::vector<Tensor> fake_quantize_backward(const Tensor& grad, const Tensor& x, const Tensor& scale,
                                           const Tensor& zero_point, int64_t qmin, int64_t qmax, Axis axis);
Tensor requantize(const Tensor& acc, const Tensor& multiplier, const Tensor& shift, int64_t zero_point,
                  int64_t qmin, int64_t qmax, Axis axis);

Tensor conv2d_int32(const Tensor& x, int64_t x_zero_point, const Tensor& weight,
                    const Tensor& weight_zero_point, Bias bias, Ints stride, Ints padding, Ints dilation,
                    int64_t groups);
Tensor linear_int32(const Tensor& x, int64_t x_zero_point, const Tensor& weight,
                    const Tensor& weight_zero_point, Bias bias);
Tensor qconv2d(const Tensor& x, int64_t x_zero_point, const Tensor& weight, const Tensor& weight_zero_point,
               Bias bias, const Tensor& multiplier, const Tensor& shift, int64_t y_zero_point, int64_t qmin,
               int64_t qmax, Ints stride, Ints padding, Ints dilation, int64_t groups);
Tensor qconv_transpose2d(const Tensor& x, int64_t x_zero_point, const Tensor& weight,
                         const Tensor& weight_zero_point, Bias bias, const Tensor& multiplier,
                         const Tensor& shift, int64_t y_zero_point, int64_t qmin, int64_t qmax, Ints stride,
                         Ints padding, Ints output_padding, Ints dilation, int64_t groups);
Tensor qlinear(const Tensor& x, int64_t x_zero_point, const Tensor& weight, const Tensor& weight_zero_point,
               Bias bias, const Tensor& multiplier, const Tensor& shift, int64_t y_zero_point, int64_t qmin,
               int64_t qmax);

Tensor qmax_pool2d(const Tensor& x, Ints kernel_size, Ints stride, Ints padding, Ints dilation,
                   bool ceil_mode);
Tensor qavg_pool2d(const Tensor& x, int64_t x_zero_point, Ints kernel_size, Ints stride, Ints padding,
                   bool ceil_mode, bool count_include_pad, const Tensor& divisors, const Tensor& multiplier,
                   const Tensor& shift, int64_t y_zero_point, int64_t qmin, int64_t qmax);
Tensor qadaptive_avg_pool2d(const Tensor& x, int64_t x_zero_point, Ints output_size, const Tensor& divisors,
                            const Tensor& multiplier, const Tensor& shift, int64_t y_zero_point, int64_t qmin,
                            int64_t qmax);

Tensor qadd(const Tensor& a, int64_t a_zero_point, int64_t a_multiplier, const Tensor& b,
            int64_t b_zero_point, int64_t b_multiplier, int64_t shift, int64_t y_zero_point, int64_t qmin,
            int64_t qmax);
Tensor qmul(const Tensor& a, int64_t a_zero_point, const Tensor& b, int64_t b_zero_point, int64_t multiplier,
            int64_t shift, int64_t y_zero_point, int64_t qmin, int64_t qmax);
Tensor qaffine(const Tensor& x, int64_t x_zero_point, const Tensor& multiplier, const Tensor& offset,
               const Tensor& shift, int64_t y_zero_point, int64_t qmin, int64_t qmax);
Tensor lookup(const Tensor& x, const Tensor& table);
Tensor qupsample_bilinear2d(const Tensor& x, Ints output_size, bool align_corners);
Tensor qconcat(std::vector<Tensor> xs, Ints zero_points, const Tensor& multiplier, const Tensor& shift,
               int64_t y_zero_point, int64_t qmin, int64_t qmax, int64_t axis);

// Boxed by hand: the stable ABI's conversion of a str leaks it (torch 2.13), and these run per call.
void run(StableIValue* stack, uint64_t inputs, uint64_t outputs);
void run_codes(StableIValue* stack, uint64_t inputs, uint64_t outputs);

}  // namespace icepoint::ops
