// Counts by operator. Values have at most 2^28 elements and a weight at most 2^33, so int64 holds one node.
#include "runtime/cost.h"

namespace icepoint {
namespace {

int64_t count(const Shape& shape) {
  return *numel(shape);
}

/// Every weight meets each position of `positions` elements that share the rest of the channels.
Cost weighted(const Shape& weight, int64_t positions, const Tensor& bias) {
  return {count(weight) * positions, count(weight) + (bias ? bias.count() : 0), 1};
}

struct Counter {
  const Shape &x, &y;

  Cost operator()(const QConv2d& op) const {  // each weight is used once at every output pixel
    return weighted(weight_shape(op, x), y[1] * y[2], op.weights.bias);
  }
  Cost operator()(const QConvTranspose2d& op) const {  // and here once at every input pixel
    return weighted(weight_shape(op, x), x[1] * x[2], op.weights.bias);
  }
  Cost operator()(const QLinear& op) const {
    return weighted(weight_shape(op, x), count(x) / x.back(), op.weights.bias);
  }
  Cost operator()(const QMaxPool2d& op) const { return window(op.kernel_size); }
  Cost operator()(const QAvgPool2d& op) const { return window(op.kernel_size); }
  template <class T>
  Cost operator()(const T&) const {
    return {};
  }

  Cost window(const std::array<int64_t, 2>& kernel) const { return {0, 0, count(y) * kernel[0] * kernel[1]}; }
};

}  // namespace

Cost cost_of(const Graph& graph, const Proof& proof, int64_t node) {
  const Shape& y = proof.values[graph.inputs.size() + node].shape;
  const Shape& x = proof.values[graph.nodes[node].inputs[0]].shape;
  Cost cost = std::visit(Counter{x, y}, graph.nodes[node].op);
  cost.work += cost.macs + count(y);
  for (int64_t v : graph.nodes[node].inputs) cost.work += count(proof.values[v].shape);
  return cost;
}

Shape weight_shape(const QConv2d& op, const Shape& x) {
  return {op.out_channels, x[0] / op.groups, op.kernel_size[0], op.kernel_size[1]};
}
Shape weight_shape(const QConvTranspose2d& op, const Shape& x) {
  return {x[0], op.out_channels / op.groups, op.kernel_size[0], op.kernel_size[1]};
}
Shape weight_shape(const QLinear& op, const Shape& x) {
  return {op.out_features, x.back()};
}

}  // namespace icepoint
