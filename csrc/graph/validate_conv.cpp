// Rules of convolutions and linear layers: geometry, canonical weights, and the overflow proof.
#include <algorithm>
#include <array>

#include "graph/rules.h"
#include "graph/text.h"
#include "graph/weights.h"

namespace icepoint {

namespace {

// Where the codes of one output channel lie: `runs` rows from first_row on, `count` codes from `first`.
struct ChannelCodes {
  int64_t first_row, runs, first, count;
};

// Codes pass through a small buffer, so that proving packed weights needs no memory to speak of.
constexpr int64_t kBlock = 4096;

void require_canonical_codes(const WeightCodes& codes, const Weights& w, const Scope& s) {
  const int lowest = -(1 << (w.bits - 1));  // symmetric codes are +-(2^(bits-1) - 1)
  std::array<int16_t, kBlock> block;
  for (int64_t r = 0; r < codes.rows(); ++r) {
    if (codes.unused_bits(r) != 0) fail(s.at("weight"), ": row ", r, " has unused bits that are not 0");
    if (w.affine) continue;
    for (int64_t k = 0; k < codes.row(); k += kBlock) {
      const int64_t count = std::min(kBlock, codes.row() - k);
      codes.read(r, k, count, block.data());
      if (std::find(block.begin(), block.begin() + count, lowest) != block.begin() + count)
        fail(s.at("weight"), ": row ", r, " holds ", lowest, ", below the symmetric range");
    }
  }
}

// `shape` is the operator's own weight shape, `oc` its output channels.
void check_weights(const Weights& w, const Shape& shape, int64_t oc, const Scope& s) {
  require_range(w.bits, 2, 8, s.at("weight_bits"));
  require(numel(shape).has_value(), s.at("weight"), ": ", to_string(shape), " has too many elements");
  const DType dtype = w.bits == 8 && !w.affine ? DType::i8 : DType::u8;
  require_tensor(w.weight, dtype, stored_shape(w.bits, shape), s.at("weight"));
  require_canonical_codes(WeightCodes(w, shape), w, s);

  const auto per_tensor_or_channel = [&](const Tensor& t) {
    return Shape{t && t.shape == Shape{1} ? 1 : oc};
  };
  require_tensor(w.weight_scale, DType::f32, per_tensor_or_channel(w.weight_scale), s.at("weight_scale"));
  for (float scale : w.weight_scale.as<float>())
    if (!(scale >= kMinScale && scale <= kMaxScale)) check_scale(scale, s.at("weight_scale"));
  if (w.affine) {
    const Tensor& zero_point = w.weight_zero_point;
    require_tensor(zero_point, DType::i32, per_tensor_or_channel(zero_point), s.at("weight_zero_point"));
    for (int32_t z : zero_point.as<int32_t>())
      if (z < 0 || z > (1 << w.bits) - 1) require_range(z, 0, (1 << w.bits) - 1, s.at("weight_zero_point"));
  } else {
    require(!w.weight_zero_point, s.at("weight_zero_point"), ": symmetric weights have none");
  }
  if (w.bias) require_tensor(w.bias, DType::i32, {oc}, s.at("bias"));
  require_multipliers(w.multiplier, w.shift, oc, s);
}

// Bounds without the bias of the channel's accumulator over every input code in 0..qmax.
Bounds channel_bounds(const WeightCodes& codes, const ChannelCodes& at, int32_t w_zero_point,
                      const QParams& x) {
  std::array<int16_t, kBlock> block;
  Bounds sum;
  for (int64_t r = 0; r < at.runs; ++r)
    for (int64_t k = 0; k < at.count; k += kBlock) {
      const int64_t count = std::min(kBlock, at.count - k);
      codes.read(at.first_row + r, at.first + k, count, block.data());
      for (int64_t i = 0; i < count; ++i) block[i] = static_cast<int16_t>(block[i] - w_zero_point);
      const Bounds part = accumulate_bounds(block.data(), count, 0, x.zero_point, x.qmax());
      sum = {sum.lo + part.lo, sum.hi + part.hi};  // below 2^60: a tensor's bytes fit memory
    }
  return sum;
}

// Section 2 of docs/numerics.md: with the bias and without, every channel fits int32.
template <class Place>  // ChannelCodes(int64_t channel)
void prove(const Weights& w, const Shape& shape, int64_t oc, Place place, Scope& s) {
  const WeightCodes codes(w, shape);
  const std::array<int32_t, 1> none{0};
  const auto zero_points = w.affine ? w.weight_zero_point.as<int32_t>() : std::span<const int32_t>(none);
  Bounds worst{INT64_MAX, INT64_MIN};
  for (int64_t c = 0; c < oc; ++c) {
    const int32_t zero_point = zero_points[zero_points.size() == 1 ? 0 : c];
    const Bounds raw = channel_bounds(codes, place(c), zero_point, s.x().q);
    const int64_t bias = w.bias ? w.bias.as<int32_t>()[c] : 0;
    const Bounds full{raw.lo + bias, raw.hi + bias};
    if (!raw.fits_int32() || !full.fits_int32()) {
      const Bounds& b = full.fits_int32() ? raw : full;
      fail(s.who, ": channel ", c, " of ", in_quotes(s.node.name), " reaches ", b.lo, "..", b.hi,
           full.fits_int32() ? " without its bias" : "",
           ", outside int32; use fewer weight or activation bits");
    }
    worst = {std::min(worst.lo, full.lo), std::max(worst.hi, full.hi)};
  }
  s.bounds = worst;
}

template <class T>
Window window_of(const T& op) {
  return {op.kernel_size, op.stride, op.padding, op.dilation};
}

// Checks what both convolutions share; the channels of a group divide evenly.
template <class T>
void check_geometry(const T& op, const Scope& s) {
  require_rank3(s);
  check_window(window_of(op), s.who);
  require_range(op.out_channels, 1, kMaxValueBytes, s.at("out_channels"));
  const int64_t ic = s.x().shape[0];
  require_range(op.groups, 1, std::min(ic, op.out_channels), s.at("groups"));
  require(ic % op.groups == 0 && op.out_channels % op.groups == 0, s.at("groups"), ": ", op.groups,
          " divides not both ", ic, " input and ", op.out_channels, " output channels");
  require_code_range(op.lo, op.hi, s.y, s);
}

}  // namespace

Shape check(const QConv2d& op, Scope& s) {
  check_geometry(op, s);
  const Shape& x = s.x().shape;
  const Window window = window_of(op);
  const Shape y{op.out_channels, window_output(window, 0, x[1]), window_output(window, 1, x[2])};
  require(y[1] > 0 && y[2] > 0, s.at("kernel_size"), ": the dilated kernel is larger than the padded input ",
          to_string(x));
  check_value_shape(y, s.who);
  const Shape shape{op.out_channels, x[0] / op.groups, op.kernel_size[0], op.kernel_size[1]};
  check_weights(op.weights, shape, op.out_channels, s);
  const int64_t row = shape[1] * shape[2] * shape[3];
  prove(
      op.weights, shape, op.out_channels,
      [row](int64_t c) {
        return ChannelCodes{c, 1, 0, row};
      },
      s);
  return y;
}

Shape check(const QConvTranspose2d& op, Scope& s) {
  check_geometry(op, s);
  const Shape& x = s.x().shape;
  Shape y{op.out_channels, 0, 0};
  for (size_t a = 0; a < 2; ++a) {
    const int64_t limit = std::max(op.stride[a], op.dilation[a]);  // torch's rule
    require_range(op.output_padding[a], 0, limit - 1, s.at("output_padding"));
    y[a + 1] = (x[a + 1] - 1) * op.stride[a] + op.dilation[a] * (op.kernel_size[a] - 1) + 1 +
               op.output_padding[a] - op.padding[a] - op.padding[a + 2];
    require(y[a + 1] > 0, s.at("padding"), ": it cuts away the whole output of ", to_string(x));
  }
  check_value_shape(y, s.who);
  const int64_t group_in = x[0] / op.groups, group_out = op.out_channels / op.groups;
  const Shape shape{x[0], group_out, op.kernel_size[0], op.kernel_size[1]};
  check_weights(op.weights, shape, op.out_channels, s);
  // All taps of a channel, although one output pixel may see only some of them.
  const int64_t taps = shape[2] * shape[3];
  const auto place = [=](int64_t c) {
    return ChannelCodes{c / group_out * group_in, group_in, c % group_out * taps, taps};
  };
  prove(op.weights, shape, op.out_channels, place, s);
  return y;
}

Shape check(const QLinear& op, Scope& s) {
  const Shape& x = s.x().shape;
  require(x.size() <= 2, s.who, ": its input is ", to_string(x), ", expected (features) or (rows, features)");
  require_range(op.out_features, 1, kMaxValueBytes, s.at("out_features"));
  require_code_range(op.lo, op.hi, s.y, s);
  Shape y = x;
  y.back() = op.out_features;
  check_value_shape(y, s.who);
  const Shape shape{op.out_features, x.back()};
  check_weights(op.weights, shape, op.out_features, s);
  prove(
      op.weights, shape, op.out_features,
      [&](int64_t c) {
        return ChannelCodes{c, 1, 0, shape[1]};
      },
      s);
  return y;
}

}  // namespace icepoint
