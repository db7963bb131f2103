// A graph to its canonical JSON and back, through the operators' own lists of fields.
#include "format/fields.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/writer.h"
#include "graph/text.h"
#include "graph/validate.h"

namespace icepoint {

namespace {

// Narrow fields are ranged before they are narrowed; validate() checks the rest.
QParams read_qparams(FieldReader& v, const std::string& path) {
  QParams q;
  int64_t zero_point = 0, bits = 0;
  q.scale = to_float(v.take("scale"), path + ".scale");
  v("zero_point", zero_point);
  v("bits", bits);
  require_range(zero_point, 0, 255, path + ".zero_point");
  require_range(bits, 2, 8, path + ".bits");
  q.zero_point = static_cast<int32_t>(zero_point);
  q.bits = static_cast<int32_t>(bits);
  return q;
}

void write_qparams(FieldWriter& v, const QParams& q) {
  v.members["scale"] = emit_float(q.scale);
  v("zero_point", int64_t{q.zero_point});
  v("bits", int64_t{q.bits});
}

// The operator called `name`, with its fields at their defaults.
template <size_t I = 0>
Op make_op(const std::string& name, const std::string& path) {
  if constexpr (I == std::variant_size_v<Op>) {
    fail(path, ".op: ", in_quotes(name), " is unknown");
  } else {
    using T = std::variant_alternative_t<I, Op>;
    return name == T::op ? Op(T{}) : make_op<I + 1>(name, path);
  }
}

Input read_input(const Json& json, const std::string& path) {
  std::map<std::string, Tensor> none;
  FieldReader v(require_kind(json, Json::Kind::object, path), path, "", none);
  Input input;
  v("name", input.name);
  v("shape", input.shape);
  input.q = read_qparams(v, path);
  v.finish();
  return input;
}

Node read_node(const Json& json, const std::string& path, std::map<std::string, Tensor>& tensors) {
  Node node;
  node.name = to_text(require_member(json, "name", path), path + ".name");
  check_name(node.name, path);  // before its tensors are named in a message
  FieldReader v(json, path, node.name, tensors);
  v.take("name");
  node.op = make_op(to_text(v.take("op"), path + ".op"), path);
  v("inputs", node.inputs);
  if (json.find("scale") || json.find("zero_point") || json.find("bits")) node.y = read_qparams(v, path);
  std::visit([&](auto& op) { op.fields(v); }, node.op);
  v.finish();
  return node;
}

FieldWriter write_node(const Node& node) {
  FieldWriter v(node.name);
  Op op = node.op;  // fields() visits a variable; the tensors are shared, not copied
  std::visit([&](auto& o) { o.fields(v); }, op);
  v("name", node.name);
  v("op", std::string(op_name(op)));
  v("inputs", node.inputs);
  if (node.y) write_qparams(v, *node.y);
  return v;
}

}  // namespace

Graph parse_graph(const std::string& json, const std::map<std::string, Tensor>& tensors) {
  const Json root = parse_json(json, "graph");
  require_known(root, {"arithmetic", "inputs", "ops", "outputs"}, "graph");
  const int64_t arithmetic = to_int(require_member(root, "arithmetic", "graph"), "graph.arithmetic");
  require(arithmetic == kArithmeticVersion, "graph.arithmetic: ", arithmetic,
          " is unknown, this icepoint computes ", kArithmeticVersion);
  const auto list = [&](const char* key, int64_t most) -> const std::vector<Json>& {
    const auto& items = require_kind(require_member(root, key, "graph"), Json::Kind::array, key).items;
    require_range(items.size(), 1, most, std::string(key) + ": their number");
    return items;
  };
  Graph graph;
  auto left = tensors;
  for (const Json& item : list("inputs", kMaxInputs))
    graph.inputs.push_back(read_input(item, place("inputs", graph.inputs.size())));
  for (const Json& item : list("ops", kMaxNodes))
    graph.nodes.push_back(read_node(item, place("ops", graph.nodes.size()), left));
  for (const Json& item : list("outputs", kMaxNodes))
    graph.outputs.push_back(to_int(item, place("outputs", graph.outputs.size())));
  if (!left.empty()) fail("tensor ", in_quotes(left.begin()->first), ": belongs to no operator");
  return graph;
}

std::string graph_json(const Graph& graph) {
  std::vector<std::string> inputs, ops;
  for (const Input& input : graph.inputs) {
    FieldWriter v(input.name);
    v("name", input.name);
    v("shape", input.shape);
    write_qparams(v, input.q);
    inputs.push_back(emit_object(v.members));
  }
  for (const Node& node : graph.nodes) ops.push_back(emit_object(write_node(node).members));
  return emit_object({{"arithmetic", std::to_string(kArithmeticVersion)},
                      {"inputs", emit_list(inputs)},
                      {"ops", emit_list(ops)},
                      {"outputs", emit_ints(graph.outputs)}});
}

std::map<std::string, Tensor> graph_tensors(const Graph& graph) {
  std::map<std::string, Tensor> tensors;
  for (const Node& node : graph.nodes) tensors.merge(write_node(node).tensors);
  return tensors;
}

}  // namespace icepoint
