// quantize, dequantize, fake_quantize: the only float steps (section 1 of docs/numerics.md).
#include <cmath>

#include "core/check.h"
#include "kernels/select.h"
#include "ops/affine.h"
#include "ops/channels.h"
#include "ops/ops.h"

namespace icepoint::ops {
namespace {

// A learned zero point moves freely between two steps: it counts as the nearest legal integer.
std::vector<int32_t> learned_zero_point(const Tensor& t, int64_t channels, int64_t qmin, int64_t qmax) {
  const FloatEnv env;
  std::vector<int32_t> out;
  for (float z : parameter<float>(t, channels, "fake_quantize.zero_point")) {
    require(!std::isnan(z), "fake_quantize.zero_point: is NaN, expected a number");
    const float nearest = std::nearbyint(z);
    out.push_back(static_cast<int32_t>(
        std::fmin(std::fmax(nearest, static_cast<float>(qmin)), static_cast<float>(qmax))));
  }
  return out;
}

template <class Code>
void quantize_piece(const float* x, const Affine& a, int64_t qmin, int64_t qmax, size_t c, int64_t begin,
                    int64_t end, Code* y) {
  QuantizeArgs args{};
  args.x = x;
  args.y = y;
  args.scale = a.scale_of(c);
  args.zero_point = a.zero_point_of(c);
  args.lo = static_cast<int32_t>(qmin);
  args.hi = static_cast<int32_t>(qmax);
  args.begin = begin;
  args.end = end;
  kernels().quantize(args);
}

// Kept apart, so that no float operation leaves the caller's FloatEnv by inlining. q - zero_point is
// exact in int64; its conversion and the product are one IEEE operation each.
template <class Code>
[[gnu::noinline]] void dequantize_piece(const Code* q, float scale, int64_t zero_point, int64_t count,
                                        float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(q[i] - zero_point) * scale;
}

template <class Code>
Tensor quantize_as(const Tensor& x, const Affine& a, int64_t qmin, int64_t qmax, Order order,
                   const ChannelSplit& split) {
  const Dense<float> dense(x, order);
  Output<Code> y(shape_of(x), order, order, "quantize");
  for_each_channel_piece(split, [&](size_t c, int64_t begin, int64_t end) {
    quantize_piece(dense.data(), a, qmin, qmax, c, begin, end, y.data());
  });
  return y.take();
}

template <class Code>
Tensor dequantize_as(const Tensor& q, const Affine& a, Order order, const ChannelSplit& split) {
  const Dense<Code> dense(q, order);
  Output<float> y(shape_of(q), order, order, "dequantize");
  for_each_channel_piece(split, [&](size_t c, int64_t begin, int64_t end) {
    dequantize_piece(dense.data() + begin, a.scale_of(c), a.zero_point_of(c), end - begin, y.data() + begin);
  });
  return y.take();
}

template <class Code>
Tensor fake_quantize_as(const Tensor& x, const Affine& a, int64_t qmin, int64_t qmax, Order order,
                        const ChannelSplit& split) {
  const Dense<float> dense(x, order);
  Output<float> y(shape_of(x), order, order, "fake_quantize");
  for_each_channel_piece(split, [&](size_t c, int64_t begin, int64_t end) {
    constexpr int64_t kBlock = 1024;  // codes on the stack: no second tensor is needed
    Code codes[kBlock];
    for (int64_t i = begin; i < end; i += kBlock) {
      const int64_t count = std::min(kBlock, end - i);
      quantize_piece(dense.data() + i, a, qmin, qmax, c, 0, count, codes);
      dequantize_piece(codes, a.scale_of(c), a.zero_point_of(c), count, y.data() + i);
    }
  });
  return y.take();
}

}  // namespace

Tensor quantize(const Tensor& x, const Tensor& scale, const Tensor& zero_point, int64_t qmin, int64_t qmax,
                Axis axis) {
  check_tensor(x, {dtype_of<float>()}, "quantize.x");
  const Order order = order_of(x);
  const ChannelSplit split = split_channels(x, order, axis, "quantize");
  const Affine a = checked_affine(scale, zero_point, split.channels, qmin, qmax, "quantize");
  return qmin >= 0 ? quantize_as<uint8_t>(x, a, qmin, qmax, order, split)
                   : quantize_as<int8_t>(x, a, qmin, qmax, order, split);
}

Tensor dequantize(const Tensor& q, const Tensor& scale, const Tensor& zero_point, Axis axis) {
  check_tensor(q, {dtype_of<uint8_t>(), dtype_of<int8_t>(), dtype_of<int32_t>()}, "dequantize.q");
  const Order order = order_of(q);
  const ChannelSplit split = split_channels(q, order, axis, "dequantize");
  const Affine a{checked_scale(scale, split.channels, "dequantize"),
                 parameter<int32_t>(zero_point, split.channels, "dequantize.zero_point")};
  const int32_t dtype = dtype_of(q);
  if (dtype == dtype_of<uint8_t>()) return dequantize_as<uint8_t>(q, a, order, split);
  if (dtype == dtype_of<int8_t>()) return dequantize_as<int8_t>(q, a, order, split);
  return dequantize_as<int32_t>(q, a, order, split);
}

Tensor fake_quantize(const Tensor& x, const Tensor& scale, const Tensor& zero_point, int64_t qmin,
                     int64_t qmax, Axis axis) {
  const std::string op = "fake_quantize";
  check_tensor(x, {dtype_of<float>()}, op + ".x");
  check_tensor(zero_point, {dtype_of<int32_t>(), dtype_of<float>()}, op + ".zero_point");
  const Order order = order_of(x);
  const ChannelSplit split = split_channels(x, order, axis, op);
  check_range(qmin, qmax, op);
  const Affine a = dtype_of(zero_point) == dtype_of<float>()
                       ? Affine{checked_scale(scale, split.channels, op),
                                learned_zero_point(zero_point, split.channels, qmin, qmax)}
                       : checked_affine(scale, zero_point, split.channels, qmin, qmax, op);
  return qmin >= 0 ? fake_quantize_as<uint8_t>(x, a, qmin, qmax, order, split)
                   : fake_quantize_as<int8_t>(x, a, qmin, qmax, order, split);
}

}  // namespace icepoint::ops
