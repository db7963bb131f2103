// The description, section by section.
#include "runtime/describe.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "format/layout.h"
#include "format/recipes.h"
#include "runtime/cost.h"

namespace icepoint {
namespace {

using Json = nlohmann::ordered_json;

Json named(const std::string& name, const ValueInfo& value) {
  return {{"name", name},
          {"shape", value.shape},
          {"scale", value.q.scale},
          {"zero_point", value.q.zero_point},
          {"bits", value.q.bits}};
}

/// Walks an operator's fields(): plain ones as they are, tensors as what they take in the file.
struct Fields {
  Json json = Json::object();
  int64_t tensor_bytes = 0;

  template <class T>
  void operator()(const char* name, const T& value) {
    json[name] = value;
  }
  void operator()(const char* name, const Tensor& tensor) {
    const int64_t bytes = tensor.count() * size_of(tensor.dtype);
    json[name] = {{"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}, {"bytes", bytes}};
    tensor_bytes += bytes;
  }
  void optional(const char* name, const Tensor& tensor) {
    if (tensor) (*this)(name, tensor);
  }
};

/// Spare bits of the worst accumulator: 2^headroom times its bounds still fit int32.
int headroom_bits(const Bounds& bounds) {
  const auto reach = static_cast<uint64_t>(std::max({bounds.hi, -1 - bounds.lo, int64_t{0}}));
  return 31 - static_cast<int>(std::bit_width(reach));
}

struct Totals {
  int64_t macs = 0, params = 0, weight_bytes = 0;
};

// A hostile graph's 100,000 nodes of 2^61 MACs each would leave int64: the sum stays at its end.
int64_t add(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

Json describe_op(const ModelFile& file, int64_t i, Totals& totals) {
  const Node& node = file.graph.nodes[i];
  const Cost cost = cost_of(file.graph, file.proof, i);
  Fields fields;
  Op op = node.op;  // fields() is not const; tensors are shared, so that the copy is small
  std::visit([&](auto& o) { o.fields(fields); }, op);

  Json json{{"name", node.name}, {"op", op_name(node.op)}, {"inputs", node.inputs}};
  json.update(named(node.name, file.proof.values[file.graph.inputs.size() + i]));
  json["macs"] = cost.macs;
  json["params"] = cost.params;
  json["weight_bytes"] = fields.tensor_bytes;
  json["fields"] = std::move(fields.json);
  totals = {add(totals.macs, cost.macs), totals.params + cost.params,
            totals.weight_bytes + fields.tensor_bytes};
  return json;
}

/// As the file spells it, with every member of the recipe.
Json describe_recipe(const Recipe& recipe) {
  if (recipe.channels == 0) return Json::object();
  Json json{{"channels", recipe.channels}, {"height", recipe.height}, {"width", recipe.width},
            {"divide", recipe.divide},     {"mean", recipe.mean},     {"std", recipe.std},
            {"classes", recipe.classes}};
  const Json resize = Json::parse(resize_json(recipe.resize));
  if (!resize.empty()) json["resize"] = resize;
  return json;
}

Json describe_self_check(const SelfCheck& check) {
  const bool empty = check.inputs.empty() || check.inputs[0].shape.empty();
  return {{"images", empty ? 0 : check.inputs[0].shape[0]},
          {"layers", check.values.size()},
          {"outputs", check.outputs}};
}

}  // namespace

std::string describe_json(const Model& model) {
  const ModelFile& file = model.file();
  const Graph& graph = file.graph;
  Json json{{"digest", file.digest},
            {"file_bytes", file.file_bytes},
            {"version", kFormatVersion},
            {"arithmetic", kArithmeticVersion},
            {"isa", model.isa().name}};

  json["inputs"] = Json::array();
  for (size_t i = 0; i < graph.inputs.size(); ++i)
    json["inputs"].push_back(named(graph.inputs[i].name, file.proof.values[i]));
  json["outputs"] = Json::array();
  for (int64_t v : graph.outputs) {
    const size_t i = json["outputs"].size();
    Json output = named(graph.nodes[v - graph.inputs.size()].name, file.proof.values[v]);
    output["shape"] = model.real_shape(i);
    output["value"] = v;
    Json function = Json::parse(function_json(file.output_function(i)));
    function.erase("accumulators");
    if (!function.empty()) output["function"] = function;
    if (file.output_function(i).accumulators) output["accumulators"] = true;
    json["outputs"].push_back(std::move(output));
  }

  Totals totals;
  json["ops"] = Json::array();
  for (int64_t i = 0; i < std::ssize(graph.nodes); ++i) json["ops"].push_back(describe_op(file, i, totals));
  Json least;  // null
  for (const NodeProof& proof : file.proof.overflow) {
    const int headroom = headroom_bits(proof.bounds);
    json["ops"][proof.node]["overflow"] = {
        {"lo", proof.bounds.lo}, {"hi", proof.bounds.hi}, {"headroom_bits", headroom}};
    least = least.is_null() ? headroom : std::min(least.get<int>(), headroom);
  }
  json["totals"] = {{"ops", graph.nodes.size()},
                    {"macs", totals.macs},
                    {"params", totals.params},
                    {"weight_bytes", totals.weight_bytes},
                    {"packed_bytes", model.weight_bytes()},
                    {"arena_bytes", model.arena_bytes()}};
  json["overflow"] = {{"layers", file.proof.overflow.size()}, {"headroom_bits", least}};
  json["recipe"] = describe_recipe(file.recipe);
  json["made_by"] = file.made_by;
  json["self_check"] = describe_self_check(file.self_check);
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace icepoint
