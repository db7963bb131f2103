// Random sound graphs for property tests: chains and DAGs in which every operator occurs.
#pragma once

#include "format/file.h"
#include "layers/layers.h"
#include "random_fields.h"

namespace icepoint {

class RandomGraph : RandomFields {
 public:
  /// `size` scales channels and pixels: 1 gives values of a few hundred codes.
  RandomGraph(uint32_t seed, int nodes, int64_t size = 1) : RandomFields(seed), size_(size) {
    for (int64_t i = pick(1, 2); i > 0; --i) add_input();
    while (std::ssize(graph_.nodes) < nodes) grow();
    // Whatever nothing reads leaves the graph: an input through a clamp.
    std::vector<bool> used(graph_.value_count());
    for (const Node& node : graph_.nodes)
      for (int64_t v : node.inputs) used[v] = true;
    for (int64_t v = 0; v < std::ssize(used); ++v) {
      if (used[v]) continue;
      const bool input = v < std::ssize(graph_.inputs);
      graph_.outputs.push_back(input ? append(Clamp{0, values_[v].q.qmax()}, {v}, values_[v].shape) : v);
    }
    if (pick(0, 1)) std::reverse(graph_.outputs.begin(), graph_.outputs.end());
  }

  const Graph& graph() const { return graph_; }

 private:
  void add_input() {
    Shape shape{pick(1, 6 * size_), pick(3, 9) * size_, pick(3, 9) * size_};
    const int64_t kind = pick(0, 9);
    if (kind == 0) shape = {pick(1, 40)};
    if (kind == 1) shape = {pick(1, 7), pick(1, 20)};
    values_.push_back({shape, qparams()});
    graph_.inputs.push_back({"in" + std::to_string(graph_.inputs.size()), shape, values_.back().q});
  }

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

  void grow() {
    // Mostly behind the newest value, so that chains are long and branches live long.
    const int64_t last = graph_.value_count() - 1, v = pick(0, 2) ? last : pick(0, last);
    const Shape x = values_[v].shape;
    const QParams q = values_[v].q, y = qparams();
    const bool image = x.size() == 3;
    if (*numel(x) > 6000 * size_ * size_) return image ? adaptive_pool(v, x, y) : slice(v, x);
    switch (pick(0, 17)) {
      case 0:
        return image ? conv(v, x, q, y) : linear(v, x, q, y);
      case 1:
        return image && x[1] * x[2] <= 400 * size_ ? conv_transpose(v, x, q, y) : linear(v, x, q, y);
      case 2:
        return image ? flatten(v, x) : linear(v, x, q, y);
      case 3:
        return affine(v, x, y);
      case 4:
      case 5:
        return clamp(v, x, q);
      case 6:
        return lookup(v, x, y);
      case 7:
        return image ? max_pool(v, x) : clamp(v, x, q);
      case 8:
        return image ? avg_pool(v, x, y) : affine(v, x, y);
      case 9:
        return image ? adaptive_pool(v, x, y) : lookup(v, x, y);
      case 10:
        return pairwise(v, x, y, true);
      case 11:
        return pairwise(v, x, y, false);
      case 12:
        return concat(v, x, q, y);
      case 13:
        return slice(v, x);
      case 14:
        return permute(v, x);
      case 15:
        return reshape(v, x);
      case 16:
        return image ? pad(v, x, q) : slice(v, x);
      default:
        return image ? upsample(v, x) : permute(v, x);
    }
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

  void concat(int64_t v, const Shape& x, const QParams& q, const QParams& fresh) {
    const QParams y = pick(0, 1) ? q : fresh;  // v's own qparams: its bytes move unchanged
    const int64_t axis = pick(0, std::ssize(x) - 1);
    std::vector<int64_t> inputs{v};
    Shape shape = x;
    for (int64_t other = 0; other < graph_.value_count() && inputs.size() < 4; ++other) {
      Shape same = values_[other].shape;
      if (same.size() != x.size() || pick(0, 1)) continue;
      const int64_t length = same[axis];
      same[axis] = x[axis];
      if (same != x) continue;
      inputs.insert(inputs.begin() + pick(0, 1), other);
      shape[axis] += length;
    }
    QConcat op;
    op.axis = axis;
    std::tie(op.multiplier, op.shift) = multipliers(std::ssize(inputs), 1);
    set_range(op, y);
    append(op, inputs, shape, y);
  }

  void slice(int64_t v, const Shape& x) {
    Slice op;
    op.axis = pick(0, std::ssize(x) - 1);
    op.start = pick(0, x[op.axis] - 1);
    op.stop = pick(op.start + 1, x[op.axis]);
    op.step = pick(1, 3);
    Shape shape = x;
    shape[op.axis] = (op.stop - op.start + op.step - 1) / op.step;
    append(op, {v}, shape);
  }

  void permute(int64_t v, const Shape& x) {
    std::vector<int32_t> order(channels(x));
    for (size_t c = 0; c < order.size(); ++c) order[c] = static_cast<int32_t>(c);
    std::shuffle(order.begin(), order.end(), random_);
    append(PermuteChannels{make_tensor(order, {std::ssize(order)})}, {v}, x);
  }

  void flatten(int64_t v, const Shape& x) { append(Reshape{{*numel(x)}}, {v}, {*numel(x)}); }

  void reshape(int64_t v, const Shape& x) {
    const int64_t count = *numel(x), a = divisor_of(count), b = divisor_of(count / a);
    const std::vector<Shape> shapes{{count}, {a, count / a}, {a, b, count / a / b}, {count / a / b, a, b}, x};
    const Shape shape = shapes[pick(0, 4)];
    append(Reshape{shape}, {v}, shape);
  }

  void pad(int64_t v, const Shape& x, const QParams& q) {
    Pad op;
    op.mode = std::vector<std::string>{"constant", "reflect", "replicate"}[pick(0, 2)];
    for (int side = 0; side < 4; ++side)
      op.padding[side] = pick(0, op.mode == "reflect" ? std::min<int64_t>(2, x[1 + side % 2] - 1) : 2);
    if (op.mode == "constant") op.channels = {pick(0, 2), pick(0, 2)}, op.value = pick(0, q.qmax());
    append(op, {v},
           {x[0] + op.channels[0] + op.channels[1], x[1] + op.padding[0] + op.padding[2],
            x[2] + op.padding[1] + op.padding[3]});
  }

  void upsample(int64_t v, const Shape& x) {
    const std::array<int64_t, 2> size{pick(1, 2 * std::min<int64_t>(x[1], 12)),
                                      pick(1, 2 * std::min<int64_t>(x[2], 12))};
    const Shape shape{x[0], size[0], size[1]};
    if (pick(0, 1))
      append(UpsampleNearest{size}, {v}, shape);
    else
      append(UpsampleBilinear{size, pick(0, 1) == 1}, {v}, shape);
  }

  const int64_t size_;
  Graph graph_;
  std::vector<ValueInfo> values_;
};

/// The file of `graph`, proved, with random self-check inputs (k images) but no digests yet.
inline ModelFile file_of(Graph graph, uint32_t seed, int64_t k = 2) {
  ModelFile file;
  file.graph = std::move(graph);
  file.proof = validate(file.graph);
  std::mt19937 random(seed);
  for (const Input& input : file.graph.inputs) {
    Shape shape = input.shape;
    shape.insert(shape.begin(), k);
    std::vector<uint8_t> codes(*numel(shape));
    for (uint8_t& code : codes) code = static_cast<uint8_t>(random() % (input.q.qmax() + 1));
    file.self_check.inputs.push_back(make_tensor(codes, shape));
  }
  return file;
}

}  // namespace icepoint
