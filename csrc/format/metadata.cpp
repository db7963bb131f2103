// Self-check, made_by and overflow proof: their JSON, and the rules that they obey; the recipes beside them.
#include "format/metadata.h"

#include <algorithm>
#include <array>

#include "core/check.h"
#include "format/json.h"
#include "format/layout.h"
#include "format/recipes.h"
#include "format/writer.h"
#include "graph/text.h"

namespace icepoint {

namespace {

void check_hex(const std::string& hex, const std::string& who) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (hex.size() != kDigestChars || !std::all_of(hex.begin(), hex.end(), digit))
    fail(who, ": ", in_quotes(hex), " is not 64 lower-case hex digits");
}

void check_self_check(const SelfCheck& check, const Graph& graph) {
  require(check.inputs.size() == graph.inputs.size(), "self_check: ", check.inputs.size(),
          " inputs, expected ", graph.inputs.size());
  for (size_t i = 0; i < check.inputs.size(); ++i) {
    const Tensor& codes = check.inputs[i];
    const std::string who = "self_check." + std::to_string(i);
    require(codes && codes.dtype == DType::u8 && !codes.shape.empty(), who, ": expected U8 (k, ...)");
    require_range(codes.shape[0], 1, kMaxSelfCheckImages, who + ": the number of inputs");
    Shape expected = graph.inputs[i].shape;
    expected.insert(expected.begin(), check.inputs[0].shape[0]);
    require(codes.shape == expected, who, ": found ", to_string(codes.shape), ", expected ",
            to_string(expected));
    const int qmax = graph.inputs[i].q.qmax();
    for (int code : codes.as<uint8_t>())
      if (code > qmax) require_range(code, 0, qmax, who);
  }
  check_hex(check.outputs, "self_check.outputs");
  require(check.values.size() == graph.nodes.size(), "self_check.values: ", check.values.size(),
          " digests for ", graph.nodes.size(), " operators");
  for (const std::string& hex : check.values) check_hex(hex, "self_check.values");
}

std::string emit_made_by(const std::map<std::string, std::string>& made_by) {
  require(made_by.size() <= kMaxMadeBy, "made_by: ", made_by.size(), " entries are more than ", kMaxMadeBy);
  std::map<std::string, std::string> members;
  for (const auto& [name, text] : made_by) {
    check_text(name, kMaxNameBytes, "made_by");
    check_text(text, kMaxTextBytes, "made_by." + name);
    members[name] = emit_text(text);
  }
  return emit_object(members);
}

std::string emit_overflow_proof(const Graph& graph, const Proof& proof) {
  std::map<std::string, std::string> members;
  for (const NodeProof& p : proof.overflow)
    members[graph.nodes[static_cast<size_t>(p.node)].name] = emit_ints(std::array{p.bounds.lo, p.bounds.hi});
  return emit_object(members);
}

}  // namespace

std::map<std::string, std::string> emit_metadata(const ModelFile& file, const Proof& proof) {
  check_self_check(file.self_check, file.graph);
  std::vector<std::string> values;
  for (const std::string& hex : file.self_check.values) values.push_back(emit_text(hex));
  const std::string self_check =
      emit_object({{"outputs", emit_text(file.self_check.outputs)}, {"values", emit_list(values)}});
  std::map<std::string, std::string> metadata{{"format", kFormatName},
                                              {"graph", graph_json(file.graph)},
                                              {"made_by", emit_made_by(file.made_by)},
                                              {"overflow_proof", emit_overflow_proof(file.graph, proof)},
                                              {"recipe", emit_recipe(file.recipe, file.graph, proof)},
                                              {"self_check", self_check},
                                              {"version", kFormatVersion}};
  const std::string output_recipe = emit_output_recipe(file.output_recipe, file.graph, proof);
  if (!output_recipe.empty()) metadata["output_recipe"] = output_recipe;
  return metadata;
}

SelfCheck parse_self_check(const std::string& json, std::map<std::string, Tensor>& tensors) {
  const Json root = parse_json(json, "self_check");
  require_known(root, {"outputs", "values"}, "self_check");
  SelfCheck check;
  check.outputs = to_text(require_member(root, "outputs", "self_check"), "self_check.outputs");
  const Json& values = require_member(root, "values", "self_check");
  for (const Json& item : require_kind(values, Json::Kind::array, "self_check.values").items)
    check.values.push_back(to_text(item, "self_check.values"));
  for (size_t i = 0;; ++i) {
    auto node = tensors.extract("self_check." + std::to_string(i));
    if (node.empty()) return check;
    check.inputs.push_back(std::move(node.mapped()));
  }
}

std::map<std::string, std::string> parse_made_by(const std::string& json) {
  const Json root = parse_json(json, "made_by");
  std::map<std::string, std::string> made_by;
  for (const Json& member : root.items)
    made_by[member.key] = to_text(member, "made_by." + in_quotes(member.key));
  return made_by;
}

}  // namespace icepoint
