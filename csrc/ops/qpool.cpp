// qmax_pool2d, qavg_pool2d, qadaptive_avg_pool2d.
#include "core/check.h"
#include "graph/validate.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace icepoint::ops {
namespace {

void check_image(const Tensor& x, const std::string& op) {
  check_tensor(x, {dtype_of<uint8_t>()}, op + ".x");
  check_rank(x, 4, "(N, C, H, W)", op + ".x");
  for (int d : {1, 2, 3})
    require(x.size(d) > 0, op, ".x: has shape ", to_string(shape_of(x)), ", expected C, H, W of at least 1");
}

// Runs `layer` on x, whose output is (n, c, oh, ow); taps is what one output element reads.
Tensor pool(const Tensor& x, const Layer& layer, std::array<int64_t, 2> out, int64_t taps,
            const std::string& op) {
  const Dense<uint8_t> dense(x, Order::channels_last);
  Output<uint8_t> y({x.size(0), x.size(1), out[0], out[1]}, Order::channels_last, order_of(x), op);
  const int64_t c = x.size(1);
  run_layer(layer, {{dense.data(), {x.size(2), x.size(3), c}}}, y.data(), {out[0], out[1], c}, 1, x.size(0),
            x.size(0) * c * out[0] * out[1] * taps);
  return y.take();
}

// An average holds an index for each of its windows: their number must not grow with numbers in a call alone.
void check_average(std::array<int64_t, 2> out, int64_t taps, const std::string& op) {
  require(taps <= kMaxTaps, op, ": windows of ", taps, " elements, expected at most ", kMaxTaps);
  require(out[0] * out[1] <= kMaxPoolWindows, op, ": ", out[0] * out[1], " windows, expected at most ",
          kMaxPoolWindows);
}

// A multiplier and a shift for each divisor.
struct Divisors {
  std::vector<int32_t> divisors;
  Requantization r;
  DivisorRequant spans() const { return {divisors, r.multiplier, r.shift, r.out}; }
};

Divisors checked_divisors(const Tensor& divisors, const Tensor& multiplier, const Tensor& shift,
                          OutputRange out, const std::string& op) {
  const int64_t k = divisors.numel();
  require(k >= 1, op, ".divisors: is empty, expected every divisor that occurs");
  Divisors d{parameter<int32_t>(divisors, k, op + ".divisors"),
             requantization(multiplier, shift, k, out, op)};
  require(static_cast<int64_t>(d.r.multiplier.size()) == k && static_cast<int64_t>(d.r.shift.size()) == k, op,
          ".multiplier, shift: have ", d.r.multiplier.size(), " and ", d.r.shift.size(),
          " elements, expected one for each of the ", k, " divisors");
  for (int32_t v : d.divisors) require(v >= 1, op, ".divisors: ", v, " is not positive");
  return d;
}

}  // namespace

Tensor qmax_pool2d(const Tensor& x, Ints kernel_size, Ints stride, Ints padding, Ints dilation,
                   bool ceil_mode) {
  const std::string op = "qmax_pool2d";
  check_image(x, op);
  const Window window{pair(kernel_size, op + ".kernel_size"), pair(stride, op + ".stride"),
                      quad(padding, op + ".padding"), pair(dilation, op + ".dilation")};
  check_window(window, op);
  const int64_t h = x.size(2), w = x.size(3);
  const auto out = output_size(window, h, w, ceil_mode, op);
  const LayerPtr layer = make_qmax_pool2d(kernels(), {h, w, x.size(1)}, window, ceil_mode);
  return pool(x, *layer, out, window.kernel[0] * window.kernel[1], op);
}

Tensor qavg_pool2d(const Tensor& x, int64_t x_zero_point, Ints kernel_size, Ints stride, Ints padding,
                   bool ceil_mode, bool count_include_pad, const Tensor& divisors, const Tensor& multiplier,
                   const Tensor& shift, int64_t y_zero_point, int64_t qmin, int64_t qmax) {
  const std::string op = "qavg_pool2d";
  check_image(x, op);
  const int32_t zx = code(x_zero_point, op + ".x_zero_point");
  const Window window{pair(kernel_size, op + ".kernel_size"),
                      pair(stride, op + ".stride"),
                      quad(padding, op + ".padding"),
                      {1, 1}};
  check_window(window, op);
  const int64_t h = x.size(2), w = x.size(3);
  const auto out = output_size(window, h, w, ceil_mode, op);
  const int64_t taps = std::min(window.kernel[0], h) * std::min(window.kernel[1], w);
  check_average(out, taps, op);
  const auto d =
      checked_divisors(divisors, multiplier, shift, output_range(y_zero_point, qmin, qmax, op), op);
  const LayerPtr layer =
      make_qavg_pool2d(kernels(), {h, w, x.size(1)}, window, ceil_mode, count_include_pad, 0, zx, d.spans());
  return pool(x, *layer, out, taps, op);
}

Tensor qadaptive_avg_pool2d(const Tensor& x, int64_t x_zero_point, Ints output_size, const Tensor& divisors,
                            const Tensor& multiplier, const Tensor& shift, int64_t y_zero_point, int64_t qmin,
                            int64_t qmax) {
  const std::string op = "qadaptive_avg_pool2d";
  check_image(x, op);
  const int32_t zx = code(x_zero_point, op + ".x_zero_point");
  const auto out = pair(output_size, op + ".output_size");
  for (int64_t size : out) require_range(size, 1, kMaxWindow, op + ".output_size");
  const int64_t h = x.size(2), w = x.size(3);
  // A window covers at most ceil(in / out) + 1 inputs of an axis.
  const int64_t taps =
      std::min(h, (h + out[0] - 1) / out[0] + 1) * std::min(w, (w + out[1] - 1) / out[1] + 1);
  check_average(out, taps, op);
  const auto d =
      checked_divisors(divisors, multiplier, shift, output_range(y_zero_point, qmin, qmax, op), op);
  const LayerPtr layer = make_qadaptive_avg_pool2d(kernels(), {h, w, x.size(1)}, out, zx, d.spans());
  return pool(x, *layer, out, taps, op);
}

}  // namespace icepoint::ops
