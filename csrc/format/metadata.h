// The model's facts beside the graph as metadata: recipe, self-check, what made it, overflow proof.
#pragma once

#include <map>
#include <string>

#include "format/file.h"

namespace icepoint {

/// Every metadata text but the digest's; requires that the facts fit the proved graph.
std::map<std::string, std::string> emit_metadata(const ModelFile&, const Proof&);

/// Hashes of the self-check; its inputs are tensors, taken out of `tensors` ("self_check.0", ...).
SelfCheck parse_self_check(const std::string& json, std::map<std::string, Tensor>& tensors);
std::map<std::string, std::string> parse_made_by(const std::string& json);

}  // namespace icepoint
