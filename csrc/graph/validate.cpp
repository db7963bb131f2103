// The validator's walk: caps, names, order of values, qparams, one rule set a node, what is used.
#include "graph/validate.h"

#include <unordered_set>

#include "graph/rules.h"
#include "graph/text.h"

namespace icepoint {

namespace {

template <class T>
void require_input_count(const T&, size_t found, const std::string& who) {
  if constexpr (std::is_same_v<T, QConcat>) {
    require(found >= 1, who, ".inputs: 0 values, expected at least 1");
  } else {
    constexpr size_t expected = std::is_same_v<T, QAdd> || std::is_same_v<T, QMul> ? 2 : 1;
    require(found == expected, who, ".inputs: ", found, " values, ", T::op, " takes ", expected);
  }
}

template <class T>
QParams output_qparams(const T&, const Scope& s) {
  if constexpr (keeps_qparams<T>) {
    require(!s.node.y, s.who, ".scale: ", T::op, " keeps the qparams of its input and states none");
    return s.x().q;
  } else {
    require(s.node.y.has_value(), s.who, ".scale: absent, ", T::op, " needs scale, zero_point and bits");
    check_qparams(*s.node.y, s.who);
    return *s.node.y;
  }
}

class Walk {
 public:
  explicit Walk(const Graph& graph) : graph_(graph) {}

  Proof run() {
    require_range(graph_.inputs.size(), 1, kMaxInputs, "inputs: their number");
    require_range(graph_.nodes.size(), 1, kMaxNodes, "ops: their number");
    proof_.values.reserve(static_cast<size_t>(graph_.value_count()));
    used_.assign(static_cast<size_t>(graph_.value_count()), false);
    for (size_t i = 0; i < graph_.inputs.size(); ++i) input(graph_.inputs[i], place("inputs", i));
    for (size_t i = 0; i < graph_.nodes.size(); ++i) node(i);
    outputs();
    for (size_t v = 0; v < used_.size(); ++v) {
      const size_t inputs = graph_.inputs.size();
      require(used_[v], v < inputs ? place("inputs", v) : place("ops", v - inputs), " is never used");
    }
    return std::move(proof_);
  }

 private:
  void name(const std::string& name, const std::string& who) {
    check_name(name, who);
    require(names_.insert(name).second, who, ".name: ", in_quotes(name), " is taken");
  }

  void input(const Input& input, const std::string& who) {
    name(input.name, who);
    check_value_shape(input.shape, who);
    check_qparams(input.q, who);
    proof_.values.push_back({input.shape, input.q});
  }

  void node(size_t i) {
    const Node& node = graph_.nodes[i];
    Scope s{node, place("ops", i), {}, {}, &counters_, {}};
    name(node.name, s.who);
    const auto own = static_cast<int64_t>(proof_.values.size());
    for (int64_t v : node.inputs) {
      // Only values that exist already: no cycle, no forward reference, no self loop.
      require_range(v, 0, own - 1, s.at("inputs"));
      used_[static_cast<size_t>(v)] = true;
      s.inputs.push_back(&proof_.values[static_cast<size_t>(v)]);
    }
    Shape shape = std::visit(
        [&](const auto& op) {
          require_input_count(op, node.inputs.size(), s.who);
          s.y = output_qparams(op, s);
          return check(op, s);
        },
        node.op);
    check_value_shape(shape, s.who);
    proof_.values.push_back({std::move(shape), s.y});
    if (s.bounds) proof_.overflow.push_back({static_cast<int64_t>(i), *s.bounds});
  }

  void outputs() {
    require(!graph_.outputs.empty(), "outputs: none, expected at least 1");
    std::unordered_set<int64_t> seen;
    int64_t bytes = 0;
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const int64_t v = graph_.outputs[i];
      // An input that leaves unchanged would be no model; the executor need not know the case.
      require_range(v, static_cast<int64_t>(graph_.inputs.size()), graph_.value_count() - 1,
                    place("outputs", i));
      require(seen.insert(v).second, place("outputs", i), ": value ", v, " is listed twice");
      used_[static_cast<size_t>(v)] = true;
      // Reshaped in place, a thousand outputs share one piece of the arena and are arrays of their own for
      // the caller.
      bytes += *numel(proof_.values[static_cast<size_t>(v)].shape);
      require(bytes <= kMaxOutputBytes, place("outputs", i), ": the outputs of one image have more than ",
              kMaxOutputBytes, " bytes");
    }
  }

  const Graph& graph_;
  Proof proof_;  // values is reserved whole: Scope keeps pointers into it
  std::vector<bool> used_;
  std::unordered_set<std::string> names_;
  Counters counters_;
};

}  // namespace

Proof validate(const Graph& graph) {
  return Walk(graph).run();
}

}  // namespace icepoint
