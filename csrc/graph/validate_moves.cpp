// Rules of the operators that move codes: concat, slice, permute, reshape, pad, up-sampling.
#include <numeric>

#include "graph/rules.h"
#include "graph/text.h"

namespace icepoint {

namespace {

size_t require_axis(int64_t axis, const Scope& s) {
  require_range(axis, 0, static_cast<long long>(s.x().shape.size()) - 1, s.at("axis"));
  return static_cast<size_t>(axis);
}

// A move's layer holds maps of every axis of its output.
Shape moved(Shape y, const Scope& s) {
  check_value_shape(y, s.who);
  count_positions(std::accumulate(y.begin(), y.end(), int64_t{0}), s);
  return y;
}

Shape upsampled(const std::array<int64_t, 2>& output_size, const Scope& s) {
  require_rank3(s);
  for (int64_t d : output_size) require_range(d, 1, kMaxWindow, s.at("output_size"));
  return moved({s.x().shape[0], output_size[0], output_size[1]}, s);
}

}  // namespace

Shape check(const QConcat& op, Scope& s) {
  const size_t axis = require_axis(op.axis, s);
  Shape y = s.x().shape;
  int64_t joined = 0;
  for (const ValueInfo* x : s.inputs) {
    Shape other = x->shape;
    require(other.size() == y.size(), s.at("inputs"), ": ", to_string(other), " and ", to_string(y),
            " differ in rank");
    joined += other[axis];  // at most 2^20 inputs of at most 2^28
    other[axis] = y[axis];
    require(other == y, s.at("inputs"), ": ", to_string(x->shape), " and ", to_string(y),
            " differ in more than axis ", axis);
  }
  require_tensor(op.multiplier, DType::i32, {static_cast<int64_t>(s.inputs.size())}, s.at("multiplier"));
  require_multipliers(op.multiplier, op.shift, static_cast<int64_t>(s.inputs.size()), s);
  require_code_range(op.lo, op.hi, s.y, s);
  y[axis] = joined;
  return y;
}

Shape check(const Slice& op, Scope& s) {
  const size_t axis = require_axis(op.axis, s);
  Shape y = s.x().shape;
  require_range(op.stop, 1, y[axis], s.at("stop"));
  require_range(op.start, 0, op.stop - 1, s.at("start"));
  require_range(op.step, 1, kMaxValueBytes, s.at("step"));
  y[axis] = (op.stop - op.start + op.step - 1) / op.step;
  return moved(std::move(y), s);
}

Shape check(const PermuteChannels& op, Scope& s) {
  const int64_t channels = s.x().shape[channel_axis(s.x().shape)];
  require_tensor(op.order, DType::i32, {channels}, s.at("order"));
  std::vector<bool> seen(static_cast<size_t>(channels), false);
  for (int32_t c : op.order.as<int32_t>()) {
    if (c < 0 || c >= channels) require_range(c, 0, channels - 1, s.at("order"));
    if (seen[static_cast<size_t>(c)]) fail(s.at("order"), ": ", c, " occurs twice");
    seen[static_cast<size_t>(c)] = true;
  }
  return moved(s.x().shape, s);
}

Shape check(const Reshape& op, Scope& s) {
  check_value_shape(op.shape, s.who);
  require(numel(op.shape) == numel(s.x().shape), s.at("shape"), ": ", to_string(op.shape),
          " has not as many elements as ", to_string(s.x().shape));
  return op.shape;
}

Shape check(const Pad& op, Scope& s) {
  require_rank3(s);
  const bool constant = op.mode == "constant", reflect = op.mode == "reflect";
  require(constant || reflect || op.mode == "replicate", s.at("mode"), ": ", in_quotes(op.mode),
          " is not constant, reflect or replicate");
  for (int64_t p : op.padding) require_range(p, 0, kMaxWindow, s.at("padding"));
  for (int64_t c : op.channels) require_range(c, 0, constant ? kMaxWindow : 0, s.at("channels"));
  require_range(op.value, 0, constant ? s.y.qmax() : 0, s.at("value"));
  const Shape& x = s.x().shape;
  for (size_t side = 0; side < 4; ++side)
    require(!reflect || op.padding[side] < x[1 + side % 2], s.at("padding"), ": ", op.padding[side],
            " reflects more than the input ", to_string(x));
  return moved({x[0] + op.channels[0] + op.channels[1], x[1] + op.padding[0] + op.padding[2],
                x[2] + op.padding[1] + op.padding[3]},
               s);
}

Shape check(const UpsampleNearest& op, Scope& s) {
  return upsampled(op.output_size, s);
}

Shape check(const UpsampleBilinear& op, Scope& s) {
  return upsampled(op.output_size, s);
}

}  // namespace icepoint
