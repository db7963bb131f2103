// What the validator's families of rules share: the node under examination, and small checks.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/check.h"
#include "graph/validate.h"

namespace icepoint {

/// Work and tables that grow with shapes and not with the file, counted over the whole graph.
struct Counters {
  int64_t pool_windows = 0;  // up to kMaxPoolWindows
  int64_t positions = 0;     // up to kMaxPositions
};

/// One node while it is checked. Its inputs and y have been checked already.
struct Scope {
  const Node& node;
  std::string who;                       // "ops[12]", opens every message
  std::vector<const ValueInfo*> inputs;  // as many as the operator takes
  QParams y;                             // of the output
  Counters* counters;
  std::optional<Bounds> bounds;  // filled where the node accumulates

  const ValueInfo& x() const { return *inputs[0]; }
  std::string at(const std::string& field) const { return who + "." + field; }
};

/// Operators whose output keeps the qparams of their input, so that a file must not state them.
template <class T>
inline constexpr bool keeps_qparams =
    std::is_same_v<T, Clamp> || std::is_same_v<T, QMaxPool2d> || std::is_same_v<T, Slice> ||
    std::is_same_v<T, PermuteChannels> || std::is_same_v<T, Reshape> || std::is_same_v<T, Pad> ||
    std::is_same_v<T, UpsampleNearest> || std::is_same_v<T, UpsampleBilinear>;

/// Axis of the channels: 0 of (c, h, w) and (f), 1 of (t, f).
inline size_t channel_axis(const Shape& shape) {
  return shape.size() == 2 ? 1 : 0;
}

/// Requires rank 1..3, dimensions of at least 1 and at most kMaxValueBytes elements.
void check_value_shape(const Shape& shape, const std::string& who);

/// Counts positions that the node's layer will hold tables of.
void count_positions(int64_t positions, const Scope& s);

void require_rank3(const Scope& s);
void require_code_range(int64_t lo, int64_t hi, const QParams& q, const Scope& s);
void require_tensor(const Tensor& tensor, DType dtype, const Shape& shape, const std::string& who);

/// Requires I32 tensors of the same length, which is 1 or `channels`, of legal pairs.
void require_multipliers(const Tensor& multiplier, const Tensor& shift, int64_t channels, const Scope& s);

/// The rules of one operator: throws, or returns the output's shape.
Shape check(const QConv2d& op, Scope& s);
Shape check(const QConvTranspose2d& op, Scope& s);
Shape check(const QLinear& op, Scope& s);
Shape check(const QAffine& op, Scope& s);
Shape check(const Clamp& op, Scope& s);
Shape check(const Lookup& op, Scope& s);
Shape check(const QMaxPool2d& op, Scope& s);
Shape check(const QAvgPool2d& op, Scope& s);
Shape check(const QAdaptiveAvgPool2d& op, Scope& s);
Shape check(const QAdd& op, Scope& s);
Shape check(const QMul& op, Scope& s);
Shape check(const QConcat& op, Scope& s);
Shape check(const Slice& op, Scope& s);
Shape check(const PermuteChannels& op, Scope& s);
Shape check(const Reshape& op, Scope& s);
Shape check(const Pad& op, Scope& s);
Shape check(const UpsampleNearest& op, Scope& s);
Shape check(const UpsampleBilinear& op, Scope& s);

}  // namespace icepoint
