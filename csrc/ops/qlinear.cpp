// linear_int32 and qlinear: the last axis of x is the features, every other one a row.
#include "core/check.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace icepoint::ops {
namespace {

// Y is int32_t for accumulators and uint8_t for codes; rule(out) gives the output rule, if any.
template <class Y, class Rule>
Tensor linear(const Tensor& x, int64_t x_zero_point, const Tensor& weight, const Tensor& weight_zero_point,
              const Bias& bias, const std::string& op, const Rule& rule) {
  check_tensor(x, {dtype_of<uint8_t>()}, op + ".x");
  const WeightArgument w(weight, weight_zero_point, bias, 2, op);
  const int32_t zx = code(x_zero_point, op + ".x_zero_point");
  const int64_t out = w.shape()[0], in = w.shape()[1];
  require(x.dim() >= 1 && x.size(x.dim() - 1) == in, op, ".x: has shape ", to_string(shape_of(x)),
          ", expected (..., ", in, ")");
  const auto requant = rule(out);
  w.prove_no_overflow(zx);

  Shape shape = shape_of(x);
  shape.back() = out;
  const Dense<uint8_t> rows(x, Order::logical);
  Output<Y> y(shape, Order::logical, order_of(x), op);
  const int64_t n = x.numel() / in;
  const auto spans = requant ? std::optional(requant->spans()) : std::nullopt;
  const WeightSpan codes = w.span();
  const SpanRows weights(codes, out, in, 1);
  const LayerPtr layer =
      make_qlinear(kernels(), {1, 1, in}, out, zx, {weights, weights.kind(), {}, codes.bias}, spans);
  run_layer(*layer, {{rows.data(), {1, 1, in}}}, y.data(), {1, 1, out}, sizeof(Y), n, n * in * out);
  return y.take();
}

}  // namespace

Tensor linear_int32(const Tensor& x, int64_t x_zero_point, const Tensor& weight,
                    const Tensor& weight_zero_point, Bias bias) {
  return linear<int32_t>(x, x_zero_point, weight, weight_zero_point, bias, "linear_int32",
                         [](int64_t) { return std::optional<Requantization>(); });
}

Tensor qlinear(const Tensor& x, int64_t x_zero_point, const Tensor& weight, const Tensor& weight_zero_point,
               Bias bias, const Tensor& multiplier, const Tensor& shift, int64_t y_zero_point, int64_t qmin,
               int64_t qmax) {
  return linear<uint8_t>(x, x_zero_point, weight, weight_zero_point, bias, "qlinear", [&](int64_t out) {
    const OutputRange range = output_range(y_zero_point, qmin, qmax, "qlinear");
    return std::optional(requantization(multiplier, shift, out, range, "qlinear"));
  });
}

}  // namespace icepoint::ops
