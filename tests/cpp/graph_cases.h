// Helpers of the runtime tests: codes for a graph, running a Model, and each node evaluated alone.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "kernels/select.h"
#include "runtime/edges.h"
#include "runtime/make_layer.h"
#include "runtime/model.h"
#include "runtime/plan.h"

namespace icepoint {

using Codes = std::vector<std::vector<uint8_t>>;  // one array a value, (n, ...) in logical order

inline std::vector<const uint8_t*> pointers(const Codes& codes) {
  std::vector<const uint8_t*> data;
  for (const auto& one : codes) data.push_back(one.data());
  return data;
}

inline std::vector<uint8_t*> mutable_pointers(Codes& codes) {
  std::vector<uint8_t*> data;
  for (auto& one : codes) data.push_back(one.data());
  return data;
}

inline Codes random_codes(const Graph& graph, int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Codes codes;
  for (const Input& input : graph.inputs) {
    std::vector<uint8_t> x(n * *numel(input.shape));
    for (uint8_t& code : x) code = static_cast<uint8_t>(random() % (input.q.qmax() + 1));
    codes.push_back(std::move(x));
  }
  return codes;
}

/// Images first..first + n of every input.
inline Codes images(const Graph& graph, const Codes& inputs, int64_t first, int64_t n) {
  Codes part;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int64_t count = *numel(graph.inputs[i].shape);
    part.emplace_back(inputs[i].begin() + first * count, inputs[i].begin() + (first + n) * count);
  }
  return part;
}

/// The model's outputs for n images, handed over `split` at a time.
inline Codes run_codes(const Model& model, const Codes& inputs, int64_t n, int64_t split) {
  const Graph& graph = model.file().graph;
  Codes outputs(graph.outputs.size());
  for (int64_t first = 0; first < n; first += split) {
    const int64_t now = std::min(split, n - first);
    Codes part;
    for (size_t i = 0; i < outputs.size(); ++i) part.emplace_back(now * model.output_count(i), 0xAA);
    model.run_codes(pointers(images(graph, inputs, first, now)), now, mutable_pointers(part));
    for (size_t i = 0; i < outputs.size(); ++i)
      outputs[i].insert(outputs[i].end(), part[i].begin(), part[i].end());
  }
  return outputs;
}

/// Every value of the graph, each node by the reference kernels alone, in memory of its own: no arena, no
/// halo, no fusion, no thread, one image at a time.
inline Codes evaluate(const Graph& graph, const Codes& inputs, int64_t n) {
  const Proof proof = validate(graph);
  const Plan plan = make_plan(graph, proof, true);
  const std::vector<CodeRange> ranges = fused_ranges(graph, plan);
  std::vector<LayerPtr> layers;
  for (int64_t i = 0; i < std::ssize(graph.nodes); ++i)
    layers.push_back(make_layer(kernels("reference"), graph, proof, plan, ranges, i));
  Codes all(graph.value_count());
  for (int64_t image = 0; image < n; ++image) {
    Codes stored;  // one image, storage order
    std::vector<Place> places;
    for (size_t v = 0; v < all.size(); ++v) {
      const Extent e = extent_of(proof.values[v].shape);
      places.push_back({.image = e.numel(), .row = e.w * e.c, .pixel = e.c, .extent = e, .halo = {}});
      const Edge edge(proof.values[v], places[v]);
      std::vector<uint8_t> slot(edge.count(), 0x55);
      if (v < inputs.size()) {
        edge.load(inputs[v].data() + image * edge.count(), slot.data(), 1, 0, edge.rows(1));
      } else {
        std::vector<View> xs;
        for (int64_t x : graph.nodes[v - inputs.size()].inputs)
          xs.push_back({stored[x].data(), places[x].image, places[x].row, places[x].pixel});
        const Layer& layer = *layers[v - inputs.size()];
        layer.run(xs.data(), places[v].in(slot.data(), 1), 1, 0, layer.units(1));
      }
      std::vector<uint8_t> logical(slot.size());
      edge.store(slot.data(), 1, logical.data(), 0, edge.rows(1));
      all[v].insert(all[v].end(), logical.begin(), logical.end());
      stored.push_back(std::move(slot));
    }
  }
  return all;
}

}  // namespace icepoint
