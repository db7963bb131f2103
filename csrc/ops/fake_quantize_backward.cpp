// Gradients of fake_quantize in one pass, where a chain of torch's operators takes half of a training step.
#include <bit>

#include "ops/affine.h"
#include "ops/channels.h"
#include "ops/ops.h"

namespace icepoint::ops {
namespace {

struct ParameterGradients {
  double scale = 0, zero_point = 0;
};

// The sum in double, in an order that no thread count changes.
double sum_of(const float* values, int64_t count) {
  constexpr int64_t kLanes = 8;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += static_cast<double>(values[i + k]);
  for (; i < count; ++i) lanes[0] += static_cast<double>(values[i]);
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

// yes ? a : b as masks, which compilers make vectors of where they fear that a comparison could trap.
float select(bool yes, float a, float b) {
  const uint32_t mask = 0U - static_cast<uint32_t>(yes);
  return std::bit_cast<float>((std::bit_cast<uint32_t>(a) & mask) | (std::bit_cast<uint32_t>(b) & ~mask));
}

// Gradients of a piece of one channel: dx is written, those of scale and zero point are summed. `low` and
// `high` are qmin and qmax less the zero point. Adding and taking away 1.5 * 2^23 rounds a float of at most
// 2^22 to nearest, ties to even; a code lies at most 511 from the zero point.
[[gnu::noinline]] ParameterGradients backward_piece(const float* __restrict grad, const float* __restrict x,
                                                    float scale, float low, float high, int64_t count,
                                                    float* __restrict dx) {
  constexpr int64_t kBlock = 512;
  constexpr float kFar = 1024, kRounder = 12582912;
  float of_scale[kBlock], of_zero_point[kBlock];
  ParameterGradients sums;
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t size = std::min(kBlock, count - first);
    for (int64_t i = 0; i < size; ++i) {
      const float g = grad[first + i], v = x[first + i] / scale;
      const float above = select(v > -kFar, v, -kFar);  // NaN counts as below
      const float near = select(above < kFar, above, kFar);
      const float rounded = (near + kRounder) - kRounder;
      const float raised = select(rounded > low, rounded, low);
      const float end = select(raised < high, raised, high);
      const bool inside = end == rounded, is_number = v == v;
      const float through = select(inside, g, 0.0F), rounding = rounded - v;
      const float slope = g * select(inside, rounding, end), outside = (through - g) * scale;
      dx[first + i] = through;
      of_scale[i] = select(is_number, slope, 0.0F);
      of_zero_point[i] = select(is_number, outside, 0.0F);
    }
    sums.scale += sum_of(of_scale, size);
    sums.zero_point += sum_of(of_zero_point, size);
  }
  return sums;
}

// The pieces' sums in order, `each` of them behind one another in one channel.
[[gnu::noinline]] void add_up(const std::vector<ParameterGradients>& partial, int64_t each, int64_t channels,
                              float* dscale, float* dzero_point) {
  std::vector<ParameterGradients> sums(static_cast<size_t>(channels));
  for (size_t p = 0; p < partial.size(); ++p) {
    auto& sum = sums[p / static_cast<size_t>(each) % sums.size()];
    sum.scale += partial[p].scale;
    sum.zero_point += partial[p].zero_point;
  }
  for (size_t c = 0; c < sums.size(); ++c) {
    dscale[c] = static_cast<float>(sums[c].scale);
    dzero_point[c] = static_cast<float>(sums[c].zero_point);
  }
}

}  // namespace

std::vector<Tensor> fake_quantize_backward(const Tensor& grad, const Tensor& x, const Tensor& scale,
                                           const Tensor& zero_point, int64_t qmin, int64_t qmax, Axis axis) {
  const std::string op = "fake_quantize_backward";
  check_tensor(grad, {dtype_of<float>()}, op + ".grad");
  check_tensor(x, {dtype_of<float>()}, op + ".x");
  require(shape_of(grad) == shape_of(x), op, ".grad: has shape ", to_string(shape_of(grad)), ", expected ",
          to_string(shape_of(x)));
  const Order order = order_of(x);
  const ChannelSplit split = split_channels(x, order, axis, op);
  const Affine a = checked_affine(scale, zero_point, split.channels, qmin, qmax, op);
  const Dense<float> grads(grad, order), values(x, order);
  Output<float> dx(shape_of(x), order, order, op);

  // Pieces of a fixed size, each within one channel: their sums are added in order.
  const int64_t length = std::min<int64_t>(split.inner, 16384);
  const int64_t each = (split.inner + length - 1) / length, pieces = split.count / split.inner * each;
  std::vector<ParameterGradients> partial(static_cast<size_t>(pieces));
  parallel_for(pieces, std::max<int64_t>(1, 16384 / length), [&](int64_t first, int64_t last) {
    const FloatEnv env;
    for (int64_t p = first; p < last; ++p) {
      const int64_t begin = p / each * split.inner + p % each * length;
      const int64_t count = std::min(length, (p / each + 1) * split.inner - begin);
      const auto c = static_cast<size_t>(p / each % split.channels);
      partial[static_cast<size_t>(p)] =
          backward_piece(grads.data() + begin, values.data() + begin, a.scale_of(c),
                         static_cast<float>(qmin - a.zero_point_of(c)),
                         static_cast<float>(qmax - a.zero_point_of(c)), count, dx.data() + begin);
    }
  });
  Output<float> dscale({split.channels}, Order::logical, Order::logical, op);
  Output<float> dzero_point({split.channels}, Order::logical, Order::logical, op);
  {
    const FloatEnv env;
    add_up(partial, each, split.channels, dscale.data(), dzero_point.data());
  }
  return {dx.take(), dscale.take(), dzero_point.take()};
}

}  // namespace icepoint::ops
