// The output recipe: JSON, and the rules between its functions and the graph's outputs.
#include <algorithm>

#include "core/check.h"
#include "format/json.h"
#include "format/recipes.h"
#include "graph/text.h"

namespace icepoint {

namespace {

using Kind = OutputFunction::Kind;

Kind to_kind(const std::string& name, const std::string& path) {
  for (Kind kind : {Kind::softmax, Kind::log_softmax, Kind::sigmoid, Kind::argmax})
    if (name == name_of(kind)) return kind;
  fail(path, ": ", in_quotes(name), " is not softmax, log_softmax, sigmoid or argmax");
}

OutputFunction read_function(const Json& json, const std::string& path) {
  OutputFunction f;
  require_kind(json, Json::Kind::object, path);
  const auto member = [&](const char* key) -> const Json& { return require_member(json, key, path); };
  if (json.find("accumulators")) {
    f.accumulators = to_bool(member("accumulators"), path + ".accumulators");
    require(f.accumulators, path, ".accumulators: false, expected true or no such member");
    if (json.items.size() == 1) return f;
  }
  if (json.items.empty()) return f;
  f.kind = to_kind(to_text(member("function"), path + ".function"), path + ".function");
  if (f.kind == Kind::sigmoid) {
    require_known(json, {"accumulators", "function"}, path);
    return f;
  }
  f.axis = to_int(member("axis"), path + ".axis");
  if (f.kind == Kind::argmax) {
    require_known(json, {"accumulators", "axis", "function", "keepdim"}, path);
    f.keepdim = to_bool(member("keepdim"), path + ".keepdim");
  } else {
    require_known(json, {"accumulators", "axis", "function"}, path);
  }
  return f;
}

bool all_plain(const std::vector<OutputFunction>& functions) {
  return std::all_of(functions.begin(), functions.end(), [](auto& f) { return f == OutputFunction{}; });
}

// acc s_x s_w[c] must be a float32 number for every int32: 2^31 2^96 < 2^128.
constexpr double kMaxAccumulatorScale = 0x1p96;

void check_accumulators(const Graph& graph, const Proof& proof, int64_t value, const std::string& who) {
  const Node& node = graph.nodes[static_cast<size_t>(value) - graph.inputs.size()];
  const auto layer = layer_with_accumulators(node);
  require(layer.has_value(), who, ".accumulators: the output is that of ", op_name(node.op),
          ", expected a qconv2d or a qlinear");
  const ValueInfo& y = proof.values[static_cast<size_t>(value)];
  require(layer->lo == 0 && layer->hi == y.q.qmax(), who, ".accumulators: ", in_quotes(node.name),
          " is narrowed to ", layer->lo, "..", layer->hi, ", expected all codes, 0..", y.q.qmax());
  for (const Node& other : graph.nodes)
    require(std::find(other.inputs.begin(), other.inputs.end(), value) == other.inputs.end(), who,
            ".accumulators: ", in_quotes(node.name), " is read by ", in_quotes(other.name),
            ", expected an output that no operator reads");
  const double x = proof.values[static_cast<size_t>(node.inputs[0])].q.scale;
  for (const float w : layer->weights->weight_scale.as<float>())
    require(x * w <= kMaxAccumulatorScale, who, ".accumulators: ", in_quotes(node.name), " has a unit of ",
            x * w, ", expected at most 2^96");
}

}  // namespace

std::optional<AccumulatingLayer> layer_with_accumulators(const Node& node) {
  if (const auto* conv = std::get_if<QConv2d>(&node.op))
    return AccumulatingLayer{&conv->weights, conv->out_channels, conv->lo, conv->hi};
  if (const auto* linear = std::get_if<QLinear>(&node.op))
    return AccumulatingLayer{&linear->weights, linear->out_features, linear->lo, linear->hi};
  return std::nullopt;
}

std::string function_json(const OutputFunction& f) {
  std::map<std::string, std::string> members;
  if (f.accumulators) members["accumulators"] = "true";
  if (f.kind != Kind::none) members["function"] = emit_text(name_of(f.kind));
  if (f.kind != Kind::none && f.kind != Kind::sigmoid) members["axis"] = std::to_string(f.axis);
  if (f.kind == Kind::argmax) members["keepdim"] = f.keepdim ? "true" : "false";
  return emit_object(members);
}

std::vector<OutputFunction> parse_output_recipe(const std::string& json) {
  const Json root = parse_json(json, "output_recipe", '[');
  std::vector<OutputFunction> functions;
  for (const Json& item : root.items)
    functions.push_back(read_function(item, place("output_recipe", functions.size())));
  require(!all_plain(functions), "output_recipe: no output has a function, expected no such key");
  return functions;
}

void check_output_recipe(const std::vector<OutputFunction>& functions, const Graph& graph,
                         const Proof& proof) {
  if (functions.empty()) return;
  require(functions.size() == graph.outputs.size(), "output_recipe: ", functions.size(), " functions for ",
          graph.outputs.size(), " outputs");
  for (size_t i = 0; i < functions.size(); ++i) {
    const int64_t value = graph.outputs[i];
    check_output_function(functions[i], proof.values[static_cast<size_t>(value)].shape,
                          place("output_recipe", i));
    if (functions[i].accumulators) check_accumulators(graph, proof, value, place("output_recipe", i));
  }
}

std::string emit_output_recipe(const std::vector<OutputFunction>& functions, const Graph& graph,
                               const Proof& proof) {
  check_output_recipe(functions, graph, proof);
  if (all_plain(functions)) return "";
  std::vector<std::string> items;
  for (const OutputFunction& f : functions) items.push_back(function_json(f));
  return emit_list(items);
}

}  // namespace icepoint
