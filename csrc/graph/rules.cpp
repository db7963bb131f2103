// The small checks that every family of rules uses.
#include "graph/rules.h"

#include "core/multiplier.h"

namespace icepoint {

void check_value_shape(const Shape& shape, const std::string& who) {
  require(!shape.empty() && shape.size() <= 3, who, ".shape: rank ", shape.size(), " is not in 1..3");
  for (int64_t d : shape) require_range(d, 1, kMaxValueBytes, who + ".shape");
  const auto count = numel(shape);
  require(count && *count <= kMaxValueBytes, who, ".shape: ", to_string(shape), " holds more than ",
          kMaxValueBytes, " bytes");
}

void count_positions(int64_t positions, const Scope& s) {
  s.counters->positions += positions;
  require(s.counters->positions <= kMaxPositions, s.who,
          ": the pools and moves of this graph look up more than ", kMaxPositions,
          " rows, columns and channels");
}

void require_rank3(const Scope& s) {
  require(s.x().shape.size() == 3, s.who, ": its input is ", to_string(s.x().shape),
          ", expected (channels, height, width)");
}

void require_code_range(int64_t lo, int64_t hi, const QParams& q, const Scope& s) {
  require_range(hi, 0, q.qmax(), s.at("hi"));
  require_range(lo, 0, hi, s.at("lo"));
}

void require_tensor(const Tensor& tensor, DType dtype, const Shape& shape, const std::string& who) {
  require(static_cast<bool>(tensor), who, ": absent, expected ", name_of(dtype), " ", to_string(shape));
  require(tensor.dtype == dtype && tensor.shape == shape, who, ": found ", name_of(tensor.dtype), " ",
          to_string(tensor.shape), ", expected ", name_of(dtype), " ", to_string(shape));
}

void require_multipliers(const Tensor& multiplier, const Tensor& shift, int64_t channels, const Scope& s) {
  const bool per_tensor = multiplier && multiplier.shape == Shape{1};
  const Shape shape{per_tensor ? 1 : channels};
  require_tensor(multiplier, DType::i32, shape, s.at("multiplier"));
  require_tensor(shift, DType::i32, shape, s.at("shift"));
  const auto m = multiplier.as<int32_t>(), n = shift.as<int32_t>();
  for (size_t c = 0; c < m.size(); ++c) {
    // The legal common case is decided without building a message.
    if (n[c] >= 2 && n[c] <= 54 && m[c] >= (n[c] == 54 ? 0 : 1 << 30)) continue;
    check_multiplier(m[c], n[c], s.who + ".channel " + std::to_string(c));
  }
}

}  // namespace icepoint
