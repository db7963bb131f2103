// The two recipes of a file, pixels to the input and codes to the output's reals: their JSON and their rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "format/file.h"

namespace icepoint {

/// The input recipe of a JSON text, "{}" being none. Types and members are checked, numbers when it is
/// written.
Recipe parse_recipe(const std::string& json);

/// The canonical text. Requires a recipe that fits the first input of the proved graph.
std::string emit_recipe(const Recipe&, const Graph&, const Proof&);

/// {"filter":..,"fit":..} with the members of the fit; "{}" for none.
std::string resize_json(const Resize&);

/// One function an output of a JSON list that has at least one that is not {}, codes and no function. Types
/// and members are checked.
std::vector<OutputFunction> parse_output_recipe(const std::string& json);

/// A layer whose accumulators an output may be made of.
struct AccumulatingLayer {
  const Weights* weights = nullptr;
  int64_t channels = 0, lo = 0, hi = 255;
};
/// That of a qconv2d or a qlinear; none of any other node.
std::optional<AccumulatingLayer> layer_with_accumulators(const Node&);

/// Requires no function, or one for each output of the proved graph, with an axis that it has; and
/// accumulators only of a qconv2d or qlinear of all codes that no other operator reads, and that stay below
/// 2^127 as reals.
void check_output_recipe(const std::vector<OutputFunction>&, const Graph&, const Proof&);

/// {"function":..} with its members; "{}" for none.
std::string function_json(const OutputFunction&);

/// The canonical text of a recipe that passes check_output_recipe; "" where all are {}: the file
/// has no such key then.
std::string emit_output_recipe(const std::vector<OutputFunction>&, const Graph&, const Proof&);

}  // namespace icepoint
