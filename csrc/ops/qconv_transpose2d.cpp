// qconv_transpose2d: a transposed convolution, requantized to codes.
#include <algorithm>

#include "core/check.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace icepoint::ops {

Tensor qconv_transpose2d(const Tensor& x, int64_t x_zero_point, const Tensor& weight,
                         const Tensor& weight_zero_point, Bias bias, const Tensor& multiplier,
                         const Tensor& shift, int64_t y_zero_point, int64_t qmin, int64_t qmax, Ints stride,
                         Ints padding, Ints output_padding, Ints dilation, int64_t groups) {
  const std::string op = "qconv_transpose2d";
  check_tensor(x, {dtype_of<uint8_t>()}, op + ".x");
  check_rank(x, 4, "(N, C, H, W)", op + ".x");
  const int64_t n = x.size(0), ic = x.size(1), h = x.size(2), w = x.size(3);
  require(groups >= 1 && weight.dim() > 0 && weight.size(0) % groups == 0, op, ".groups: ", groups,
          " does not divide the input channels of the weight");
  const WeightArgument weights(weight, weight_zero_point, bias, 4, op, groups);
  require(ic == weights.shape()[0], op, ".x: has ", ic, " channels, expected ", weights.shape()[0]);
  require(h > 0 && w > 0, op, ".x: has shape ", to_string(shape_of(x)), ", expected H, W of at least 1");
  const int32_t zx = code(x_zero_point, op + ".x_zero_point");
  const int64_t oc = weights.channels();

  const Window window{{weights.shape()[2], weights.shape()[3]},
                      pair(stride, op + ".stride"),
                      quad(padding, op + ".padding"),
                      pair(dilation, op + ".dilation")};
  check_window(window, op);
  const auto more = pair(output_padding, op + ".output_padding");
  std::array<int64_t, 2> out{};
  for (size_t a = 0; a < 2; ++a) {
    // torch's rule: what a stride or a dilation can leave undecided
    require_range(more[a], 0, std::max(window.stride[a], window.dilation[a]) - 1, op + ".output_padding");
    out[a] = (x.size(static_cast<int64_t>(a) + 2) - 1) * window.stride[a] +
             window.dilation[a] * (window.kernel[a] - 1) + 1 + more[a] - window.padding[a] -
             window.padding[a + 2];
    require(out[a] > 0, op, ".padding: it cuts away the whole output of ", h, " x ", w);
  }
  const OutputRange range = output_range(y_zero_point, qmin, qmax, op);
  const Requantization requant = requantization(multiplier, shift, oc, range, op);
  weights.prove_no_overflow(zx);

  const Dense<uint8_t> dense(x, Order::channels_last);
  Output<uint8_t> y({n, oc, out[0], out[1]}, Order::channels_last, order_of(x), op);
  const Extent from{h, w, ic}, to{out[0], out[1], oc};
  const LayerPtr layer =
      make_qconv_transpose2d(kernels(), from, to, window, groups, zx, weights.span(), requant.spans());
  run_layer(*layer, {{dense.data(), from, zx}}, y.data(), to, 1, n, n * h * w * *numel(weights.shape()));
  return y.take();
}

}  // namespace icepoint::ops
