// Random sound graphs for property tests: chains and DAGs in which every operator occurs.
#pragma once

#include "format/file.h"
#include "random_blocks.h"

namespace icepoint {

class RandomGraph : RandomBlocks {
 public:
  /// `size` scales channels and pixels: 1 gives values of a few hundred codes.
  RandomGraph(uint32_t seed, int nodes, int64_t size = 1) : RandomBlocks(seed, size) {
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

  void grow() {
    // Mostly behind the newest value, so that chains are long and branches live long.
    const int64_t last = graph_.value_count() - 1, v = pick(0, 2) ? last : pick(0, last);
    const Shape x = values_[v].shape;
    const QParams q = values_[v].q, y = qparams();
    const bool image = x.size() == 3;
    if (*numel(x) > 6000 * size_ * size_) return image ? adaptive_pool(v, x, y) : slice(v, x);
    switch (pick(0, 20)) {
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
      case 17:
        return image ? residual_block(v, x, q) : linear(v, x, q, y);
      case 18:
        return image ? pooled_conv(v, x, q) : linear(v, x, q, y);
      case 19:
        return image ? head(v, x) : clamp(v, x, q);
      default:
        return image ? upsample(v, x) : permute(v, x);
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
