// qaffine: a per-channel affine map of codes, which is a BatchNorm that nothing fused.
#include "core/check.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace icepoint::ops {

Tensor qaffine(const Tensor& x, int64_t x_zero_point, const Tensor& multiplier, const Tensor& offset,
               const Tensor& shift, int64_t y_zero_point, int64_t qmin, int64_t qmax) {
  const std::string op = "qaffine";
  check_tensor(x, {dtype_of<uint8_t>()}, op + ".x");
  require(x.dim() == 2 || x.dim() == 4, op, ".x: has shape ", to_string(shape_of(x)),
          ", expected (N, C) or (N, C, H, W)");
  const int32_t zx = code(x_zero_point, op + ".x_zero_point");
  const int64_t c = x.size(1);
  const auto all = [&](const Tensor& t, const char* name) {
    auto values = parameter<int32_t>(t, c, op + name);
    require(static_cast<int64_t>(values.size()) == c, op, name, ": has 1 element, expected ", c);
    return values;
  };
  const auto m = all(multiplier, ".multiplier"), b = all(offset, ".offset"), s = all(shift, ".shift");
  for (size_t i = 0; i < m.size(); ++i) {
    const std::string who = op + " channel " + std::to_string(i);
    require_range(s[i], 1, 30, who + ".shift");
    const int64_t gain = std::abs(int64_t{m[i]}),
                  reach = std::abs(int64_t{b[i]}) + 255 * gain + (1 << (s[i] - 1));
    require(gain < (1 << 21) && reach < (int64_t{1} << 31), who, ": multiplier ", m[i], " and offset ", b[i],
            " leave int32; expected abs(multiplier) < 2^21 and abs(offset) + 255 abs(multiplier) + "
            "2^(shift-1) < 2^31");
  }
  const OutputRange out = output_range(y_zero_point, qmin, qmax, op);

  const Order order = order_of(x);
  const Dense<uint8_t> dense(x, Order::channels_last);
  Output<uint8_t> y(shape_of(x), Order::channels_last, order, op);
  if (x.numel() > 0) {
    const Extent extent = x.dim() == 4 ? Extent{x.size(2), x.size(3), c} : Extent{1, 1, c};
    const LayerPtr layer = make_qaffine(kernels(), extent, zx, m, b, s, out);
    run_layer(*layer, {{dense.data(), extent}}, y.data(), extent, 1, x.size(0), x.numel());
  }
  return y.take();
}

}  // namespace icepoint::ops
