// Recipe, self-check, made_by and overflow proof: their JSON, and the rules that they obey.
#include "format/metadata.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "format/json.h"
#include "format/layout.h"
#include "format/writer.h"
#include "graph/text.h"

namespace icepoint {

namespace {

void check_text(const std::string& text, size_t most, const std::string& who) {
  require(text.size() <= most, who, ": ", text.size(), " bytes are more than ", most);
  require(is_clean_text(text), who, ": ", in_quotes(text), " is not UTF-8 without control characters");
}

void check_hex(const std::string& hex, const std::string& who) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (hex.size() != kDigestChars || !std::all_of(hex.begin(), hex.end(), digit))
    fail(who, ": ", in_quotes(hex), " is not 64 lower-case hex digits");
}

void check_recipe(const Recipe& r, const Graph& graph, const Proof& proof) {
  if (r.channels == 0) {
    const bool empty = r.mean.empty() && r.std.empty() && r.classes.empty();
    require(empty, "recipe.channels: 0, but the recipe has a mean, std or classes");
    return;
  }
  require(r.channels == 1 || r.channels == 3, "recipe.channels: ", r.channels, " is not 1 or 3");
  require(r.divide == 1 || r.divide == 255, "recipe.divide: ", r.divide, " is not 1 or 255");
  const Shape image{r.channels, r.height, r.width}, &input = graph.inputs[0].shape;
  require(image == input, "recipe: its image ", to_string(image), " is not the first input, ",
          to_string(input));
  const auto channels = static_cast<size_t>(r.channels);
  require(r.mean.size() == channels, "recipe.mean: ", r.mean.size(), " numbers, expected ", channels);
  require(r.std.size() == channels, "recipe.std: ", r.std.size(), " numbers, expected ", channels);
  for (float m : r.mean) require(std::isfinite(m), "recipe.mean: ", m, " is not finite");
  for (float s : r.std) require(std::isfinite(s) && s > 0, "recipe.std: ", s, " is not finite and above 0");
  if (r.classes.empty()) return;
  const Shape& y = proof.values[static_cast<size_t>(graph.outputs[0])].shape;
  const auto outputs = static_cast<size_t>(y.size() == 2 ? y[1] : y[0]);
  require(r.classes.size() == outputs && outputs <= kMaxClasses, "recipe.classes: ", r.classes.size(),
          " names for ", outputs, " channels of the first output, at most ", kMaxClasses);
  for (const std::string& name : r.classes) check_text(name, kMaxNameBytes, "recipe.classes");
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

std::string emit_recipe(const Recipe& r) {
  if (r.channels == 0) return "{}";
  const auto floats = [](const std::vector<float>& values) {
    std::vector<std::string> items;
    for (float v : values) items.push_back(emit_float(v));
    return emit_list(items);
  };
  std::map<std::string, std::string> members{{"channels", std::to_string(r.channels)},
                                             {"divide", std::to_string(r.divide)},
                                             {"height", std::to_string(r.height)},
                                             {"width", std::to_string(r.width)},
                                             {"mean", floats(r.mean)},
                                             {"std", floats(r.std)}};
  std::vector<std::string> classes;
  for (const std::string& name : r.classes) classes.push_back(emit_text(name));
  if (!classes.empty()) members["classes"] = emit_list(classes);
  return emit_object(members);
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
  check_recipe(file.recipe, file.graph, proof);
  check_self_check(file.self_check, file.graph);
  std::vector<std::string> values;
  for (const std::string& hex : file.self_check.values) values.push_back(emit_text(hex));
  const std::string self_check =
      emit_object({{"outputs", emit_text(file.self_check.outputs)}, {"values", emit_list(values)}});
  return {{"format", kFormatName},
          {"graph", graph_json(file.graph)},
          {"made_by", emit_made_by(file.made_by)},
          {"overflow_proof", emit_overflow_proof(file.graph, proof)},
          {"recipe", emit_recipe(file.recipe)},
          {"self_check", self_check},
          {"version", kFormatVersion}};
}

Recipe parse_recipe(const std::string& json) {
  const Json root = parse_json(json, "recipe");
  Recipe r;
  if (root.items.empty()) return r;
  require_known(root, {"channels", "classes", "divide", "height", "mean", "std", "width"}, "recipe");
  const auto number = [&](const char* key) {
    return to_int(require_member(root, key, "recipe"), std::string("recipe.") + key);
  };
  const auto list = [&](const char* key, size_t most) -> const std::vector<Json>& {
    const std::string path = std::string("recipe.") + key;
    const auto& items = require_kind(require_member(root, key, "recipe"), Json::Kind::array, path).items;
    require_range(items.size(), 1, static_cast<long long>(most), path + ": their number");
    return items;
  };
  r.channels = number("channels");
  require_range(r.channels, 1, 3, "recipe.channels");  // 0 would be a recipe with facts and no image
  r.height = number("height");
  r.width = number("width");
  r.divide = number("divide");
  for (const Json& item : list("mean", 3)) r.mean.push_back(to_float(item, "recipe.mean"));
  for (const Json& item : list("std", 3)) r.std.push_back(to_float(item, "recipe.std"));
  if (root.find("classes"))
    for (const Json& item : list("classes", kMaxClasses))
      r.classes.push_back(to_text(item, "recipe.classes"));
  return r;
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
