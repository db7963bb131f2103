// Lifetimes of the values that lie in memory, and the offset and pitches of every one.
#include "runtime/plan.h"

#include <algorithm>

#include "runtime/arena.h"
#include "runtime/fusions.h"

namespace icepoint {
namespace {

/// Dense pixels, rows with their halo; images without one join, so that a batch can be one long row.
Place place_of(const Extent& e, const Halo& halo) {
  Place p{.extent = e, .halo = halo};
  p.pixel = e.c;
  p.row = (halo.left + e.w + halo.right) * p.pixel;
  p.image = (halo.top + e.h + halo.bottom) * p.row;
  p.origin = halo.top * p.row + halo.left * p.pixel;
  return p;
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
  const auto values = graph.value_count(), nodes = static_cast<int64_t>(graph.nodes.size());
  Fusions f = find_fusions(graph, proof, keep_all);
  Plan plan;
  for (int64_t v = 0; v < values; ++v)
    plan.places.push_back(place_of(extent_of(proof.values[v].shape), f.halo[f.root[v]]));

  // Step 0 brings the inputs, step i + 1 runs node i, and outputs are read in a step behind the last.
  const int64_t steps = nodes + 2;
  std::vector<Lifetime> lives(values);
  for (int64_t v = 0; v < values; ++v) lives[v] = {f.writer[v] + 1, f.writer[v] + 1, plan.places[v].image};
  const auto extend = [&](int64_t v, int64_t step) {
    int64_t& last = lives[f.root[v]].last;
    last = std::max(last, step);
  };
  for (int64_t i = 0; i < nodes; ++i)
    if (f.host[i] >= 0)
      for (int64_t v : graph.nodes[i].inputs) extend(v, f.host[i] + 1);
  for (int64_t v : graph.outputs) extend(v, steps - 1);

  std::vector<Lifetime> roots;
  for (int64_t v = 0; v < values; ++v)
    if (f.root[v] == v) roots.push_back(lives[v]);
  const Layout layout = assign_offsets(roots, steps, kMaxArenaBytes);
  plan.arena_bytes = layout.bytes;
  size_t next = 0;
  for (int64_t v = 0; v < values; ++v)
    if (f.root[v] == v) plan.places[v].offset = layout.offsets[next++];
  for (int64_t v = 0; v < values; ++v) plan.places[v].offset = plan.places[f.root[v]].offset;
  plan.root = std::move(f.root), plan.flattened = std::move(f.flattened);
  plan.host = std::move(f.host), plan.guest = std::move(f.guest), plan.narrows = std::move(f.narrows);
  return plan;
}

}  // namespace icepoint
