// Output recipes for tests: random ones, legal for a proved graph; and outputs of codes one behind the other.
#pragma once

#include <random>
#include <vector>

#include "core/output_function.h"
#include "format/recipes.h"
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

/// Codes (n, ...) one behind the other.
inline LaidValues dense_codes(const uint8_t* codes, const QParams& q, const Shape& shape) {
  LaidValues laid = dense_reals(nullptr, shape);
  laid.kind = LaidValues::Kind::codes, laid.data = codes, laid.q = q;
  return laid;
}

/// `functions` with accumulators wherever the graph allows them; how many these are.
inline int64_t ask_for_accumulators(std::vector<OutputFunction>& functions, const Graph& graph,
                                    const Proof& proof) {
  int64_t asked = 0;
  for (size_t i = 0; i < functions.size(); ++i) {
    std::vector<OutputFunction> one(functions.size());
    one[i].accumulators = true;
    try {
      check_output_recipe(one, graph, proof);
      functions[i].accumulators = true, ++asked;
    } catch (const std::invalid_argument&) {  // a sum, a narrowed layer, one that others read
    }
  }
  return asked;
}

}  // namespace icepoint
