// Which values share a slot, which nodes another node does, and the offset of every slot.
#include "runtime/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/arena.h"

namespace icepoint {
namespace {

/// How often each value is read; an output counts as read.
std::vector<int64_t> count_readers(const Graph& graph) {
  std::vector<int64_t> readers(graph.value_count());
  for (const Node& node : graph.nodes)
    for (int64_t v : node.inputs) ++readers[v];
  for (int64_t v : graph.outputs) ++readers[v];
  return readers;
}

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

bool moves_nothing(const Node& node, const Shape& x, const Shape& y) {
  return std::holds_alternative<Reshape>(node.op) &&
         (x == y || (stored_as_logical(x) && stored_as_logical(y)));
}

}  // namespace

Extent extent_of(const Shape& shape) {
  switch (shape.size()) {
    case 3:
      return {shape[1], shape[2], shape[0]};
    case 2:
      return {1, shape[0], shape[1]};
    default:
      return {1, 1, shape.empty() ? 1 : shape[0]};
  }
}

bool stored_as_logical(const Shape& shape) {
  const Extent e = extent_of(shape);
  return shape.size() <= 2 || e.h * e.w == 1 || e.c == 1;
}

Plan make_plan(const Graph& graph, const Proof& proof, bool keep_all) {
  const auto values = graph.value_count(), inputs = static_cast<int64_t>(graph.inputs.size());
  Plan plan;
  plan.root.resize(values);
  std::iota(plan.root.begin(), plan.root.end(), 0);
  plan.skipped.resize(graph.nodes.size());

  const std::vector<int64_t> readers = count_readers(graph);
  // The value that a requantizing node writes, and the clamps already fused behind it.
  std::vector<bool> narrowable(values);
  for (int64_t i = 0; i < std::ssize(graph.nodes); ++i) {
    const Node& node = graph.nodes[i];
    const int64_t x = node.inputs[0], y = inputs + i;
    const bool fused =
        !keep_all && std::holds_alternative<Clamp>(node.op) && narrowable[x] && readers[x] == 1;
    narrowable[y] = fused || has_range(node.op);
    plan.skipped[i] = fused || moves_nothing(node, proof.values[x].shape, proof.values[y].shape);
    if (plan.skipped[i]) plan.root[y] = plan.root[x];
  }

  // Step 0 brings the inputs, step i + 1 runs node i, and outputs are read in a step behind the last.
  const auto steps = static_cast<int64_t>(graph.nodes.size()) + 2;
  std::vector<Lifetime> lives(values);
  for (int64_t v = 0; v < values; ++v) {
    Lifetime& life = lives[v];
    life.first = life.last = std::max<int64_t>(v - inputs + 1, 0);
    life.bytes = *numel(proof.values[v].shape);
  }
  const auto extend = [&](int64_t v, int64_t step) {
    int64_t& last = lives[plan.root[v]].last;
    last = std::max(last, step);
  };
  for (int64_t i = 0; i < std::ssize(graph.nodes); ++i)
    for (int64_t v : graph.nodes[i].inputs) extend(v, i + 1);
  for (int64_t v = 0; v < values; ++v) extend(v, lives[v].first);
  for (int64_t v : graph.outputs) extend(v, steps - 1);

  std::vector<Lifetime> roots;
  for (int64_t v = 0; v < values; ++v)
    if (plan.root[v] == v) roots.push_back(lives[v]);
  const Layout layout = assign_offsets(roots, steps, kMaxArenaBytes);
  plan.arena_bytes = layout.bytes;
  plan.slots.resize(values);
  size_t next = 0;
  for (int64_t v = 0; v < values; ++v) {
    const int64_t root = plan.root[v];  // root <= v: its slot is known
    plan.slots[v] = root == v ? Slot{layout.offsets[next++], lives[v].bytes} : plan.slots[root];
  }
  return plan;
}

}  // namespace icepoint
