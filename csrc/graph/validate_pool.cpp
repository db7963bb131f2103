// Rules of the pools: windows that are never empty, and one multiplier for each divisor that occurs.
#include <algorithm>

#include "graph/rules.h"
#include "layers/layers.h"

namespace icepoint {

namespace {

Extent extent(const Shape& shape) {
  return {shape[1], shape[2], shape[0]};
}

// Rows (axis 0) or columns (axis 1): every window of the pool reaches at least one input element.
void require_no_empty_window(const Window& w, int axis, int64_t in, int64_t out, const Scope& s) {
  const int64_t stride = w.stride[axis], before = w.padding[axis], dilation = w.dilation[axis];
  const auto empty = [&](int64_t o) {
    fail(s.at("padding"), ": the window of output ", axis == 0 ? "row " : "column ", o,
         " lies in the padding alone");
  };
  if ((out - 1) * stride - before >= in) empty(out - 1);
  // Windows that start inside the input are not empty; of the others the first tap at 0 or beyond counts.
  for (int64_t o = 0; o < out && o * stride < before; ++o) {
    const int64_t missing = before - o * stride;  // elements of padding in front of the input
    const int64_t tap = (missing + dilation - 1) / dilation;
    if (tap >= w.kernel[axis] || tap * dilation - missing >= in) empty(o);
  }
}

// Work that grows with the output and not with the file is bounded over the whole graph.
void count_windows(const Shape& y, const Scope& s) {
  check_value_shape(y, s.who);
  count_positions(y[1] + y[2], s);
  s.counters->pool_windows += y[1] * y[2];
  require(s.counters->pool_windows <= kMaxPoolWindows, s.who, ": the pools of this graph have more than ",
          kMaxPoolWindows, " windows");
}

Shape pool_output(const Window& w, bool ceil_mode, const Scope& s) {
  require_rank3(s);
  check_window(w, s.who);
  const Shape& x = s.x().shape;
  const Shape y{x[0], window_output(w, 0, x[1], ceil_mode), window_output(w, 1, x[2], ceil_mode)};
  require(y[1] > 0 && y[2] > 0, s.at("kernel_size"), ": the dilated window is larger than the padded input ",
          to_string(x));
  count_windows(y, s);
  for (int axis : {0, 1}) require_no_empty_window(w, axis, x[axis + 1], y[axis + 1], s);
  return y;
}

// More than the divisors of an average can be: only windows that reach beyond the input, and the last one
// in ceil_mode, differ from those inside.
int64_t divisors_at_most(const Window& w) {
  int64_t product = 1;
  for (size_t a = 0; a < 2; ++a) product *= (w.padding[a] + w.padding[a + 2]) / w.stride[a] + 4;
  return product;
}

// Longest of the windows floor(i in / out) .. ceil((i + 1) in / out).
int64_t longest_window(int64_t in, int64_t out) {
  int64_t longest = 0;
  for (int64_t i = 0; i < out; ++i)
    longest = std::max(longest, ((i + 1) * in + out - 1) / out - i * in / out);
  return longest;
}

// One multiplier for each of `expected`, and no other.
void require_divisors(const Tensor& divisors, const Tensor& multiplier, const Tensor& shift,
                      const std::vector<int64_t>& expected, const Scope& s) {
  const Shape shape{static_cast<int64_t>(expected.size())};
  require_tensor(divisors, DType::i32, shape, s.at("divisors"));
  const auto found = divisors.as<int32_t>();
  for (size_t i = 0; i < expected.size(); ++i)
    require(found[i] == expected[i], s.at("divisors"), "[", i, "]: ", found[i], ", expected ", expected[i]);
  require_tensor(multiplier, DType::i32, shape, s.at("multiplier"));
  require_multipliers(multiplier, shift, shape[0], s);
}

}  // namespace

Shape check(const QMaxPool2d& op, Scope& s) {
  return pool_output({op.kernel_size, op.stride, op.padding, op.dilation}, op.ceil_mode, s);
}

Shape check(const QAvgPool2d& op, Scope& s) {
  const Window window{op.kernel_size, op.stride, op.padding, {1, 1}};
  const Shape y = pool_output(window, op.ceil_mode, s);
  const Shape& x = s.x().shape;
  const int64_t taps = std::min(op.kernel_size[0], x[1]) * std::min(op.kernel_size[1], x[2]);
  require(taps <= kMaxTaps, s.at("kernel_size"), ": ", taps, " taps are more than ", kMaxTaps);
  require(divisors_at_most(window) <= kMaxDivisors, s.at("padding"), ": this pool may have more than ",
          kMaxDivisors, " divisors");
  require_range(op.divisor_override, 0, INT32_MAX, s.at("divisor_override"));
  require_code_range(op.lo, op.hi, s.y, s);
  const auto expected =
      avg_pool2d_divisors(extent(x), window, op.ceil_mode, op.count_include_pad, op.divisor_override);
  require_divisors(op.divisors, op.multiplier, op.shift, expected, s);
  return y;
}

Shape check(const QAdaptiveAvgPool2d& op, Scope& s) {
  require_rank3(s);
  for (int64_t d : op.output_size) require_range(d, 1, kMaxWindow, s.at("output_size"));
  const Shape& x = s.x().shape;
  const Shape y{x[0], op.output_size[0], op.output_size[1]};
  count_windows(y, s);
  const int64_t taps = longest_window(x[1], y[1]) * longest_window(x[2], y[2]);
  require(taps <= kMaxTaps, s.at("output_size"), ": windows of ", taps, " taps are more than ", kMaxTaps);
  require_code_range(op.lo, op.hi, s.y, s);
  require_divisors(op.divisors, op.multiplier, op.shift,
                   adaptive_avg_pool2d_divisors(extent(x), op.output_size), s);
  return y;
}

}  // namespace icepoint
