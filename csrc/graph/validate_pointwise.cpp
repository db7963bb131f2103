// Rules of the operators that work code by code: affine, clamp, lookup, add, mul.
#include <algorithm>
#include <cstdlib>

#include "core/multiplier.h"
#include "graph/rules.h"
#include "graph/text.h"

namespace icepoint {

namespace {

// m and m1, m2 stay below 2^21, so that 255 of each and the rounding term stay inside int32.
constexpr int64_t kMaxGain = (1 << 21) - 1;

int64_t channels_of(const Scope& s) {
  return s.x().shape[channel_axis(s.x().shape)];
}

// b has a's shape, or is one value a channel of (c, h, w).
Shape broadcast(const Scope& s) {
  const Shape &a = s.inputs[0]->shape, &b = s.inputs[1]->shape;
  const bool per_channel = a.size() == 3 && b == Shape{a[0], 1, 1};
  require(a == b || per_channel, s.at("inputs"), ": ", to_string(b), " is neither ", to_string(a),
          " nor one value a channel of it");
  return a;
}

}  // namespace

Shape check(const QAffine& op, Scope& s) {
  const Shape shape{channels_of(s)};
  require_tensor(op.multiplier, DType::i32, shape, s.at("multiplier"));
  require_tensor(op.offset, DType::i32, shape, s.at("offset"));
  require_tensor(op.shift, DType::i32, shape, s.at("shift"));
  const auto m = op.multiplier.as<int32_t>(), b = op.offset.as<int32_t>(), n = op.shift.as<int32_t>();
  for (size_t c = 0; c < m.size(); ++c) {
    const auto who = [&](const char* field) { return s.at(field) + "[" + std::to_string(c) + "]"; };
    if (n[c] < 1 || n[c] > 30) require_range(n[c], 1, 30, who("shift"));
    const int64_t gain = std::abs(int64_t{m[c]}), offset = std::abs(int64_t{b[c]});
    if (gain > kMaxGain) require_range(m[c], -kMaxGain, kMaxGain, who("multiplier"));
    if (offset + 255 * gain + (int64_t{1} << (n[c] - 1)) >= int64_t{1} << 31)
      fail(who("offset"), ": ", b[c], " with multiplier ", m[c], " and shift ", n[c], " may leave int32");
  }
  require_code_range(op.lo, op.hi, s.y, s);
  return s.x().shape;
}

Shape check(const Clamp& op, Scope& s) {
  require_code_range(op.lo, op.hi, s.y, s);
  return s.x().shape;
}

Shape check(const Lookup& op, Scope& s) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  const std::string& name = op.function;
  require(!name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), plain),
          s.at("function"), ": ", in_quotes(name), " is not 1..64 letters, digits, '_' or '-'");
  const bool per_channel = op.table && op.table.shape.size() == 2;
  const Shape shape = per_channel ? Shape{channels_of(s), 256} : Shape{256};
  require_tensor(op.table, DType::u8, shape, s.at("table"));
  const auto table = op.table.as<uint8_t>();
  const auto above = std::find_if(table.begin(), table.end(), [&](int code) { return code > s.y.qmax(); });
  require(above == table.end(), s.at("table"), "[", above - table.begin(),
          "]: ", above == table.end() ? 0 : int{*above}, " is not in 0..", s.y.qmax());
  return s.x().shape;
}

Shape check(const QAdd& op, Scope& s) {
  require_range(op.shift, 1, 30, s.at("shift"));
  require_range(op.a_multiplier, -kMaxGain, kMaxGain, s.at("a_multiplier"));
  require_range(op.b_multiplier, -kMaxGain, kMaxGain, s.at("b_multiplier"));
  require_code_range(op.lo, op.hi, s.y, s);
  return broadcast(s);
}

Shape check(const QMul& op, Scope& s) {
  check_multiplier(op.multiplier, op.shift, s.who);
  require_code_range(op.lo, op.hi, s.y, s);
  return broadcast(s);
}

}  // namespace icepoint
