// Random nodes that compute: convolutions, linear layers, pools, sums, products, functions of one value.
#pragma once

#include "layers/layers.h"
#include "random_fields.h"

namespace icepoint {

/// A graph that grows by one node a call; v and x are the node's input and its shape, q and y the qparams.
class RandomLayers : protected RandomFields {
 protected:
  RandomLayers(uint32_t seed, int64_t size) : RandomFields(seed), size_(size) {}

  /// Appends a node; without `y` it keeps the qparams of its first input.
  int64_t append(Op op, std::vector<int64_t> inputs, Shape shape, std::optional<QParams> y = {}) {
    values_.push_back({std::move(shape), y.value_or(values_[inputs[0]].q)});
    graph_.nodes.push_back({"op" + std::to_string(graph_.nodes.size()), std::move(op), std::move(inputs), y});
    return graph_.value_count() - 1;
  }

  template <class T>
  static Shape pooled(const T& op, const Shape& x, bool ceil_mode, int64_t channels) {
    Window w{op.kernel_size, op.stride, op.padding, {1, 1}};
    if constexpr (requires { op.dilation; }) w.dilation = op.dilation;
    return {channels, window_output(w, 0, x[1], ceil_mode), window_output(w, 1, x[2], ceil_mode)};
  }

  void conv(int64_t v, const Shape& x, const QParams& q, const QParams& y) {
    QConv2d op;
    set_window(op, x);
    if (pick(0, 2) == 0 && op.kernel_size[0] == 2 && x[1] >= 3) op.dilation[0] = 2;
    op.groups = divisor_of(x[0]);
    op.out_channels = op.groups * pick(1, 3 * size_);
    op.weights = weights({op.out_channels, x[0] / op.groups, op.kernel_size[0], op.kernel_size[1]},
                         op.out_channels, q, y);
    set_range(op, y);
    const Shape shape = pooled(op, x, false, op.out_channels);
    append(op, {v}, shape, y);
  }

  void conv_transpose(int64_t v, const Shape& x, const QParams& q, const QParams& y) {
    QConvTranspose2d op;
    for (int axis : {0, 1}) {
      op.kernel_size[axis] = pick(2, 3);
      op.stride[axis] = pick(1, 2);
      op.output_padding[axis] = pick(0, op.stride[axis] - 1);
      op.padding[axis] = op.padding[axis + 2] = pick(0, 1) && x[axis + 1] > 2;
    }
    op.groups = divisor_of(x[0]);
    op.out_channels = op.groups * pick(1, 3);
    op.weights = weights({x[0], op.out_channels / op.groups, op.kernel_size[0], op.kernel_size[1]},
                         op.out_channels, q, y);
    set_range(op, y);
    Shape shape{op.out_channels, 0, 0};
    for (int axis : {0, 1})
      shape[axis + 1] = (x[axis + 1] - 1) * op.stride[axis] - op.padding[axis] - op.padding[axis + 2] +
                        op.dilation[axis] * (op.kernel_size[axis] - 1) + 1 + op.output_padding[axis];
    append(op, {v}, shape, y);
  }

  void linear(int64_t v, const Shape& x, const QParams& q, const QParams& y) {
    QLinear op;
    op.out_features = pick(1, 12 * size_);
    op.weights = weights({op.out_features, x.back()}, op.out_features, q, y);
    set_range(op, y);
    Shape shape = x;
    shape.back() = op.out_features;
    append(op, {v}, shape, y);
  }

  void affine(int64_t v, const Shape& x, const QParams& y) {
    const int64_t c = channels(x);
    std::vector<int32_t> m, b, s;
    for (int64_t i = 0; i < c; ++i) {
      s.push_back(static_cast<int32_t>(pick(10, 18)));
      m.push_back(static_cast<int32_t>(real(-2, 2) * (1 << s.back())));
      b.push_back(static_cast<int32_t>(real(-100, 100) * (1 << s.back())));
    }
    QAffine op{make_tensor(m, {c}), make_tensor(b, {c}), make_tensor(s, {c})};
    set_range(op, y);
    append(op, {v}, x, y);
  }

  void clamp(int64_t v, const Shape& x, const QParams& q) {
    const int64_t lo = pick(0, 1) ? q.zero_point : pick(0, q.qmax() / 2);
    append(Clamp{lo, pick(lo, q.qmax())}, {v}, x);
  }

  void lookup(int64_t v, const Shape& x, const QParams& y) {
    const int64_t c = pick(0, 1) ? channels(x) : 0;
    std::vector<uint8_t> table(256 * std::max<int64_t>(c, 1));
    for (uint8_t& code : table) code = static_cast<uint8_t>(pick(0, y.qmax()));
    append(Lookup{"random", make_tensor(table, c ? Shape{c, 256} : Shape{256})}, {v}, x, y);
  }

  void max_pool(int64_t v, const Shape& x) {
    QMaxPool2d op;
    set_window(op, x);
    op.ceil_mode = pick(0, 1);
    append(op, {v}, pooled(op, x, op.ceil_mode, x[0]));
  }

  void avg_pool(int64_t v, const Shape& x, const QParams& y) {
    QAvgPool2d op;
    set_window(op, x);
    op.ceil_mode = pick(0, 1);
    op.count_include_pad = pick(0, 1);
    op.divisor_override = pick(0, 3) ? 0 : pick(1, 9);
    const Window window{op.kernel_size, op.stride, op.padding, {1, 1}};
    set_divisors(op,
                 avg_pool2d_divisors({x[1], x[2], x[0]}, window, op.ceil_mode, op.count_include_pad,
                                     op.divisor_override),
                 y);
    append(op, {v}, pooled(op, x, op.ceil_mode, x[0]), y);
  }

  void adaptive_pool(int64_t v, const Shape& x, const QParams& y) {
    QAdaptiveAvgPool2d op;
    op.output_size = {pick(1, std::min<int64_t>(x[1], 4)), pick(1, std::min<int64_t>(x[2], 4))};
    set_divisors(op, adaptive_avg_pool2d_divisors({x[1], x[2], x[0]}, op.output_size), y);
    append(op, {v}, {x[0], op.output_size[0], op.output_size[1]}, y);
  }

  void pairwise(int64_t v, const Shape& x, const QParams& y, bool add) {
    std::vector<int64_t> partners;
    for (int64_t other = 0; other < graph_.value_count(); ++other) {
      const Shape& shape = values_[other].shape;
      if (shape == x || (x.size() == 3 && shape == Shape{x[0], 1, 1})) partners.push_back(other);
    }
    const int64_t b = partners[pick(0, std::ssize(partners) - 1)];
    if (add) {
      QAdd op{pick(-2000, 2000), pick(-2000, 2000), 11};
      set_range(op, y);
      append(op, {v, b}, x, y);
    } else {
      const Multiplier m = quantize_multiplier(std::exp2(real(-9, -5)));
      QMul op{m.multiplier, m.shift};
      set_range(op, y);
      append(op, {v, b}, x, y);
    }
  }

  const int64_t size_;
  Graph graph_;
  std::vector<ValueInfo> values_;
};

}  // namespace icepoint
