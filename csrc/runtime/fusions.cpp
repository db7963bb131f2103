// Walks the nodes in order: each joins the node before it where that changes no byte.
#include "runtime/fusions.h"

#include <algorithm>
#include <numeric>

#include "layers/layers.h"

namespace icepoint {
namespace {

/// True for operators that clamp to a range of their own, which a clamp behind them can narrow.
bool has_range(const Op& op) {
  return std::visit(
      []<class T>(const T&) {
        return !std::is_same_v<T, Clamp> && requires(T t) {
          t.lo;
        };
      },
      op);
}

Halo larger(const Halo& a, const Halo& b) {
  return {std::max(a.top, b.top), std::max(a.left, b.left), std::max(a.bottom, b.bottom),
          std::max(a.right, b.right)};
}

class Finder {
 public:
  Finder(const Graph& graph, const Proof& proof, bool keep_all)
      : graph_(graph), proof_(proof), keep_all_(keep_all), inputs_(std::ssize(graph.inputs)) {
    const auto values = static_cast<size_t>(graph.value_count()), nodes = graph.nodes.size();
    f_.root.resize(values);
    std::iota(f_.root.begin(), f_.root.end(), 0);
    f_.host.resize(nodes);
    std::iota(f_.host.begin(), f_.host.end(), 0);
    f_.guest.assign(nodes, -1);
    f_.narrows.assign(nodes, -1);
    f_.flattened.assign(values, Extent{0, 0, 0});
    f_.halo.resize(values);
    f_.writer.assign(values, -1);
    f_.inside.assign(values, -1);
    f_.channel.assign(values, 0);
    f_.moved.resize(nodes);
    last_.assign(values, -1);
    readers_.resize(values);
    only_linear_.assign(values, true);
  }

  Fusions find() {
    count();
    for (int64_t i = 0; i < std::ssize(graph_.nodes); ++i) visit(i);
    // A convolution's own value lies nowhere once its guest's does.
    for (int64_t v = graph_.value_count(); v-- > 0;) f_.root[v] = f_.root[f_.root[v]];
    std::vector<Halo> halos(f_.halo.size());
    for (int64_t v = 0; v < graph_.value_count(); ++v)
      halos[f_.root[v]] = larger(halos[f_.root[v]], f_.halo[v]);
    f_.halo = std::move(halos);
    return std::move(f_);
  }

 private:
  const Shape& shape(int64_t value) const { return proof_.values[value].shape; }

  /// Readers of every value (an output counts as read), and what they read around it.
  void count() {
    for (const Node& node : graph_.nodes)
      for (int64_t v : node.inputs) {
        ++readers_[v];
        if (!std::holds_alternative<QLinear>(node.op)) only_linear_[v] = false;
        if (const auto* conv = std::get_if<QConv2d>(&node.op))
          f_.halo[v] = larger(f_.halo[v], conv2d_halo(extent_of(shape(v)), {conv->kernel_size, conv->stride,
                                                                            conv->padding, conv->dilation}));
      }
    for (int64_t v : graph_.outputs) ++readers_[v], only_linear_[v] = false;
  }

  void visit(int64_t i) {
    const Node& node = graph_.nodes[i];
    const int64_t x = node.inputs[0], y = inputs_ + i;
    f_.writer[y] = i;
    last_[y] = has_range(node.op) ? i : -1;
    if (stays(node, x, y)) return alias(i, x, y, -1);
    if (keep_all_) return;
    if (std::holds_alternative<Clamp>(node.op) && last_[x] >= 0 && readers_[x] == 1) {
      f_.narrows[i] = last_[y] = last_[x];
      return alias(i, x, y, f_.writer[f_.root[x]]);
    }
    if (flattens(node, x, y)) {
      f_.flattened[y] = extent_of(shape(x));
      return alias(i, x, y, -1);
    }
    const int64_t conv = std::holds_alternative<QAdd>(node.op)         ? conv_before_add(node)
                         : std::holds_alternative<QMaxPool2d>(node.op) ? conv_before_pool(node, y)
                                                                       : -1;
    if (conv < 0) return;
    f_.guest[conv] = i;
    f_.host[i] = conv;
    f_.writer[y] = conv;
    f_.root[inputs_ + conv] = y;
  }

  void alias(int64_t i, int64_t x, int64_t y, int64_t host) {
    f_.root[y] = f_.root[x];
    f_.host[i] = host;
  }

  bool no_halo(int64_t x, int64_t y) const {
    return f_.halo[x] == Halo{} && f_.halo[y] == Halo{} && f_.halo[f_.root[x]] == Halo{};
  }

  /// A reshape whose bytes lie right already.
  bool stays(const Node& node, int64_t x, int64_t y) const {
    return std::holds_alternative<Reshape>(node.op) && no_halo(x, y) &&
           (shape(x) == shape(y) || (stored_as_logical(shape(x)) && stored_as_logical(shape(y))));
  }

  /// A map made a vector for linear layers alone, whose weights take the map's order.
  bool flattens(const Node& node, int64_t x, int64_t y) const {
    return std::holds_alternative<Reshape>(node.op) && shape(x).size() == 3 && shape(y).size() == 1 &&
           only_linear_[y] && no_halo(x, y);
  }

  /// The convolution that writes v and that nothing but the operator asking reads, or -1.
  int64_t free_conv(int64_t v) const {
    if (readers_[v] != 1 || last_[v] < 0 || last_[v] != f_.writer[f_.root[v]]) return -1;
    const int64_t node = last_[v];
    return std::holds_alternative<QConv2d>(graph_.nodes[node].op) && f_.guest[node] < 0 ? node : -1;
  }

  /// The later one of two convolutions, and only if what it is added to is there when it runs.
  int64_t conv_before_add(const Node& node) const {
    const int64_t a = node.inputs[0], b = node.inputs[1];
    if (a == b || shape(a) != shape(b)) return -1;
    const int64_t first = free_conv(a), second = free_conv(b);
    const int64_t conv = std::max(first, second);
    if (conv < 0) return -1;
    const int64_t other = conv == first ? b : a;
    return f_.writer[f_.root[other]] < conv ? conv : -1;
  }

  int64_t conv_before_pool(const Node& node, int64_t y) const {
    const auto& pool = std::get<QMaxPool2d>(node.op);
    using Pair = std::array<int64_t, 2>;
    const bool halves = pool.kernel_size == Pair{2, 2} && pool.stride == Pair{2, 2} &&
                        pool.dilation == Pair{1, 1} && pool.padding == std::array<int64_t, 4>{};
    const Shape &from = shape(node.inputs[0]), &to = shape(y);
    // ceil_mode gives an odd edge a window of its own
    return halves && to[1] == from[1] / 2 && to[2] == from[2] / 2 ? free_conv(node.inputs[0]) : -1;
  }

  const Graph& graph_;
  const Proof& proof_;
  const bool keep_all_;
  const int64_t inputs_;
  Fusions f_;
  std::vector<int64_t> last_;  // of a value: the node whose range is its own, or -1
  std::vector<int64_t> readers_;
  std::vector<bool> only_linear_;
};

}  // namespace

Fusions find_fusions(const Graph& graph, const Proof& proof, bool keep_all) {
  return Finder(graph, proof, keep_all).find();
}

}  // namespace icepoint
