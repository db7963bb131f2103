// The two recipes of a file, pixels to the input and codes to the output's reals: their JSON and their rules.
#pragma once

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

/// One function an output of a JSON list that has at least one; {} is none. Types and members are checked.
std::vector<OutputFunction> parse_output_recipe(const std::string& json);

/// Requires no function, or one for each output of the proved graph, with an axis that it has.
void check_output_recipe(const std::vector<OutputFunction>&, const Graph&, const Proof&);

/// {"function":..} with its members; "{}" for none.
std::string function_json(const OutputFunction&);

/// The canonical text of a recipe that passes check_output_recipe; "" where no output has a function: the
/// file has no such key then.
std::string emit_output_recipe(const std::vector<OutputFunction>&, const Graph&, const Proof&);

}  // namespace icepoint
