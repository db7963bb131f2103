// What a frozen model is: values and operators in order.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/qparams.h"
#include "core/shape.h"
#include "graph/operators.h"

namespace icepoint {

/// One operator. Values are numbered: the graph's inputs first, then the output of each node in
/// order; inputs[i] is such a number and always smaller than the node's own.
struct Node {
  std::string name;  // unique; prefix of its tensors' names
  Op op;
  std::vector<int64_t> inputs;
  std::optional<QParams> y;  // absent for operators that keep their input's qparams
};

struct Input {
  std::string name;
  Shape shape;  // (c, h, w), (t, f) or (f)
  QParams q;
};

struct Graph {
  std::vector<Input> inputs;
  std::vector<Node> nodes;
  std::vector<int64_t> outputs;  // value numbers

  int64_t value_count() const { return static_cast<int64_t>(inputs.size() + nodes.size()); }
};

inline const char* op_name(const Op& op) {
  return std::visit([](const auto& o) { return o.op; }, op);
}

}  // namespace icepoint
