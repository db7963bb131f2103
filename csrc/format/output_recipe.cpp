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
  if (require_kind(json, Json::Kind::object, path).items.empty()) return f;
  const auto member = [&](const char* key) -> const Json& { return require_member(json, key, path); };
  f.kind = to_kind(to_text(member("function"), path + ".function"), path + ".function");
  if (f.kind == Kind::sigmoid) {
    require_known(json, {"function"}, path);
    return f;
  }
  f.axis = to_int(member("axis"), path + ".axis");
  if (f.kind == Kind::argmax) {
    require_known(json, {"axis", "function", "keepdim"}, path);
    f.keepdim = to_bool(member("keepdim"), path + ".keepdim");
  } else {
    require_known(json, {"axis", "function"}, path);
  }
  return f;
}

bool none(const std::vector<OutputFunction>& functions) {
  return std::all_of(functions.begin(), functions.end(), [](auto& f) { return f.kind == Kind::none; });
}

}  // namespace

std::string function_json(const OutputFunction& f) {
  if (f.kind == Kind::none) return "{}";
  std::map<std::string, std::string> members{{"function", emit_text(name_of(f.kind))}};
  if (f.kind != Kind::sigmoid) members["axis"] = std::to_string(f.axis);
  if (f.kind == Kind::argmax) members["keepdim"] = f.keepdim ? "true" : "false";
  return emit_object(members);
}

std::vector<OutputFunction> parse_output_recipe(const std::string& json) {
  const Json root = parse_json(json, "output_recipe", '[');
  std::vector<OutputFunction> functions;
  for (const Json& item : root.items)
    functions.push_back(read_function(item, place("output_recipe", functions.size())));
  require(!none(functions), "output_recipe: no output has a function, expected no such key");
  return functions;
}

void check_output_recipe(const std::vector<OutputFunction>& functions, const Graph& graph,
                         const Proof& proof) {
  if (functions.empty()) return;
  require(functions.size() == graph.outputs.size(), "output_recipe: ", functions.size(), " functions for ",
          graph.outputs.size(), " outputs");
  for (size_t i = 0; i < functions.size(); ++i)
    check_output_function(functions[i], proof.values[static_cast<size_t>(graph.outputs[i])].shape,
                          place("output_recipe", i));
}

std::string emit_output_recipe(const std::vector<OutputFunction>& functions, const Graph& graph,
                               const Proof& proof) {
  check_output_recipe(functions, graph, proof);
  if (none(functions)) return "";
  std::vector<std::string> items;
  for (const OutputFunction& f : functions) items.push_back(function_json(f));
  return emit_list(items);
}

}  // namespace icepoint
