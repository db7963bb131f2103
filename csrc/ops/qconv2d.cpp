// conv2d_int32 and qconv2d: exact accumulators, and accumulators requantized to codes.
#include "core/check.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace icepoint::ops {
namespace {

struct Convolution {
  const Tensor& x;
  int64_t x_zero_point;
  const Tensor &weight, &weight_zero_point;
  const Bias& bias;
  const Ints &stride, &padding, &dilation;
  int64_t groups;
  const char* op;
};

// Y is int32_t for accumulators and uint8_t for codes; requantize(oc) gives the output rule, if any.
template <class Y, class Rule>
Tensor convolve(const Convolution& a, const Rule& rule) {
  const std::string op = a.op;
  check_tensor(a.x, {dtype_of<uint8_t>()}, op + ".x");
  check_rank(a.x, 4, "(N, C, H, W)", op + ".x");
  const WeightArgument weight(a.weight, a.weight_zero_point, a.bias, 4, op);
  const int32_t zx = code(a.x_zero_point, op + ".x_zero_point");
  const int64_t n = a.x.size(0), ic = a.x.size(1), h = a.x.size(2), w = a.x.size(3), oc = weight.shape()[0];

  Window window;
  window.kernel = {weight.shape()[2], weight.shape()[3]};
  window.stride = pair(a.stride, op + ".stride");
  window.padding = quad(a.padding, op + ".padding");
  window.dilation = pair(a.dilation, op + ".dilation");
  check_window(window, op);
  require(a.groups >= 1 && oc % a.groups == 0, op, ".groups: ", a.groups, " does not divide the ", oc,
          " output channels");
  require(ic % a.groups == 0 && ic / a.groups == weight.shape()[1], op, ".x: has ", ic,
          " channels, expected ", a.groups, " groups of ", weight.shape()[1]);
  const auto [oh, ow] = output_size(window, h, w, false, op);
  const auto requant = rule(oc);
  weight.prove_no_overflow(zx);

  const Order order = order_of(a.x);
  const Dense<uint8_t> x(a.x, Order::channels_last);
  Output<Y> y({n, oc, oh, ow}, Order::channels_last, order, op);
  const auto spans = requant ? std::optional(requant->spans()) : std::nullopt;
  const WeightSpan codes = weight.span();
  const SpanRows rows(codes, oc, ic / a.groups, window.kernel[0] * window.kernel[1]);
  const LayerPtr layer = make_qconv2d(kernels(), {h, w, ic}, window, a.groups, oc, zx,
                                      {rows, rows.kind(), {}, codes.bias}, spans);
  run_layer(*layer, {{x.data(), {h, w, ic}, zx}}, y.data(), {oh, ow, oc}, sizeof(Y), n,
            n * oh * ow * *numel(weight.shape()));
  return y.take();
}

}  // namespace

Tensor conv2d_int32(const Tensor& x, int64_t x_zero_point, const Tensor& weight,
                    const Tensor& weight_zero_point, Bias bias, Ints stride, Ints padding, Ints dilation,
                    int64_t groups) {
  const Convolution a{x,       x_zero_point, weight, weight_zero_point, bias, stride,
                      padding, dilation,     groups, "conv2d_int32"};
  return convolve<int32_t>(a, [](int64_t) { return std::optional<Requantization>(); });
}

Tensor qconv2d(const Tensor& x, int64_t x_zero_point, const Tensor& weight, const Tensor& weight_zero_point,
               Bias bias, const Tensor& multiplier, const Tensor& shift, int64_t y_zero_point, int64_t qmin,
               int64_t qmax, Ints stride, Ints padding, Ints dilation, int64_t groups) {
  const Convolution a{x,       x_zero_point, weight, weight_zero_point, bias, stride,
                      padding, dilation,     groups, "qconv2d"};
  return convolve<uint8_t>(a, [&](int64_t oc) {
    const OutputRange out = output_range(y_zero_point, qmin, qmax, "qconv2d");
    return std::optional(requantization(multiplier, shift, oc, out, "qconv2d"));
  });
}

}  // namespace icepoint::ops
