// Lifetimes of the values that lie in memory, and the offset and pitches of every one.
#include "runtime/plan.h"

#include <algorithm>
#include <limits>

#include "runtime/arena.h"
#include "runtime/fusions.h"
#include "runtime/in_place.h"

namespace icepoint {
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

namespace {

constexpr int64_t kNoCap = std::numeric_limits<int64_t>::max();

/// Dense pixels, rows with their halo; images without one join, so that a batch can be one long row.
Place place_of(const Extent& e, const Halo& halo, int64_t element) {
  Place p{.extent = e, .halo = halo};
  p.pixel = e.c * element;
  p.row = (halo.left + e.w + halo.right) * p.pixel;
  p.image = (halo.top + e.h + halo.bottom) * p.row;
  p.origin = halo.top * p.row + halo.left * p.pixel;
  return p;
}

Plan laid_out(const Graph& graph, const Proof& proof, Fusions f, const std::vector<bool>& accumulators,
              int64_t cap) {
  const auto values = graph.value_count(), nodes = static_cast<int64_t>(graph.nodes.size());
  Plan plan;
  plan.accumulators = accumulators;
  plan.accumulators.resize(values);
  std::vector<int64_t> buffers(values);  // of a value: the root in whose buffer it lies
  for (int64_t v = 0; v < values; ++v) {
    const int64_t root = f.root[v], whole = f.inside[root];
    const Extent own = extent_of(proof.values[v].shape);
    buffers[v] = whole >= 0 ? whole : root;
    // A part has the pitches of the whole; a reshaped value its own.
    plan.places.push_back(place_of(whole >= 0 ? extent_of(proof.values[whole].shape) : own,
                                   f.halo[buffers[v]], plan.accumulators[v] ? sizeof(int32_t) : 1));
    plan.places[v].extent = own;
    plan.places[v].origin += f.channel[root];
  }

  // Step 0 brings the inputs, step i + 1 runs node i, and outputs are read in a step behind the last.
  const int64_t steps = nodes + 2;
  std::vector<Lifetime> lives(values);
  for (int64_t v = 0; v < values; ++v) lives[v] = {f.writer[v] + 1, f.writer[v] + 1, plan.places[v].image};
  const auto extend = [&](int64_t v, int64_t step) {
    int64_t& last = lives[buffers[v]].last;
    last = std::max(last, step);
  };
  for (int64_t v = 0; v < values; ++v) {
    Lifetime& whole = lives[buffers[v]];
    whole.first = std::min(whole.first, lives[f.root[v]].first);
    extend(v, lives[f.root[v]].first);
  }
  for (int64_t i = 0; i < nodes; ++i)
    if (f.host[i] >= 0)
      for (int64_t v : graph.nodes[i].inputs) extend(v, f.host[i] + 1);
  for (int64_t v : graph.outputs) extend(v, steps - 1);

  std::vector<Lifetime> roots;
  for (int64_t v = 0; v < values; ++v)
    if (buffers[v] == v) roots.push_back(lives[v]);
  const Layout layout = assign_offsets(roots, steps, cap);
  plan.arena_bytes = layout.bytes;
  size_t next = 0;
  for (int64_t v = 0; v < values; ++v)
    if (buffers[v] == v) plan.places[v].offset = layout.offsets[next++];
  for (int64_t v = 0; v < values; ++v) plan.places[v].offset = plan.places[buffers[v]].offset;
  plan.root = std::move(f.root), plan.flattened = std::move(f.flattened);
  plan.host = std::move(f.host), plan.guest = std::move(f.guest), plan.narrows = std::move(f.narrows);
  plan.moved = std::move(f.moved);
  return plan;
}

}  // namespace

Plan make_plan(const Graph& graph, const Proof& proof, bool keep_all, std::vector<bool> accumulators) {
  const Fusions fusions = find_fusions(graph, proof, keep_all);
  Plan apart = laid_out(graph, proof, fusions, accumulators, kMaxArenaBytes);
  if (keep_all) return apart;
  Fusions joined = fusions;
  join_in_place(graph, proof, joined);
  // A whole lives from its first part on: what waits for the rest may cost more than moving bytes does.
  Plan together = laid_out(graph, proof, std::move(joined), accumulators, kNoCap);
  return together.arena_bytes <= std::min(apart.arena_bytes / 4 * 5, kMaxArenaBytes) ? together : apart;
}

}  // namespace icepoint
