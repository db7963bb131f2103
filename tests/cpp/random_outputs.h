// Random output recipes: a legal function, or none, for each output of a proved graph.
#pragma once

#include <random>
#include <vector>

#include "core/output_function.h"
#include "graph/validate.h"

namespace icepoint {

inline std::vector<OutputFunction> random_output_recipe(const Graph& graph, const Proof& proof,
                                                        uint32_t seed) {
  using Kind = OutputFunction::Kind;
  std::mt19937 random(seed);
  std::vector<OutputFunction> functions;
  for (int64_t v : graph.outputs) {
    OutputFunction f{static_cast<Kind>(random() % 5)};
    if (f.kind != Kind::none && f.kind != Kind::sigmoid)
      f.axis = static_cast<int64_t>(random() % proof.values[v].shape.size());
    f.keepdim = f.kind == Kind::argmax && random() % 2;
    functions.push_back(f);
  }
  return functions;
}

}  // namespace icepoint
