// Convolutions made at random: weights of every kind, requantization, residual, pool, pitches.
#pragma once

#include "table_cases.h"

namespace icepoint {

/// Centred weights that a test holds whole: (oc, kh, kw, ic / groups).
class HeldRows final : public WeightRows {
 public:
  HeldRows(const std::vector<int16_t>& weights, int64_t row) : weights_(weights), row_(row) {}
  void read(int64_t oc, int16_t* row) const override { std::copy_n(weights_.begin() + oc * row_, row_, row); }

 private:
  const std::vector<int16_t>& weights_;
  int64_t row_;
};

struct ConvCase {
  Extent x;
  Window window;
  int64_t groups, oc;
  bool requantize = true;

  Extent y() const { return {window_output(window, 0, x.h), window_output(window, 1, x.w), oc}; }
  int64_t taps() const { return window.kernel[0] * window.kernel[1] * (x.c / groups); }
  std::string text() const {
    const Window& w = window;
    return "x " + to_string(Shape{x.h, x.w, x.c}) + " oc " + std::to_string(oc) + " groups " +
           std::to_string(groups) + " kernel " + to_string({w.kernel[0], w.kernel[1]}) + " stride " +
           to_string({w.stride[0], w.stride[1]}) + " padding " +
           to_string({w.padding[0], w.padding[1], w.padding[2], w.padding[3]}) + " dilation " +
           to_string({w.dilation[0], w.dilation[1]}) + (requantize ? "" : " int32");
  }
};

/// Weights, bias and requantization of `oc` channels, each a sum of `taps` products.
struct ConvData {
  WeightKind kind;
  std::vector<int16_t> weights;
  std::vector<int32_t> offset, bias, multiplier, shift;
  OutputRange range;
  int64_t taps;

  ConvData(CaseData& data, int64_t oc, int64_t channel_taps) : taps(channel_taps) {
    kind = data.one_of({WeightKind::i8, WeightKind::i8, WeightKind::i4, WeightKind::i16});
    if (kind == WeightKind::i4) {
      offset = data.chance(2) ? std::vector<int32_t>(oc, 8) : data.fill<int32_t>(oc, 0, 15);
      for (int64_t c = 0; c < oc; ++c) {
        const std::vector<int16_t> row = data.fill<int16_t>(taps, -offset[c], 15 - offset[c]);
        weights.insert(weights.end(), row.begin(), row.end());
      }
    } else if (kind == WeightKind::i8) {
      weights = data.fill<int16_t>(oc * taps, data.chance(4) ? -128 : -127, 127);
    } else {
      weights = data.fill<int16_t>(oc * taps, -255, 255);
    }
    if (!data.chance(4)) {
      // The overflow proof holds: what the products leave of int32 is the bias's.
      const int64_t room = (int64_t{1} << 31) - 1 - 65025 * taps;
      const int64_t reach = std::min(room, data.one_of<int64_t>({1000, int64_t{1} << 20, room}));
      bias = data.fill<int32_t>(oc, -reach, reach);
    }
    const double most = kind == WeightKind::i4 ? 300 : 5000;
    data.requant(data.chance(4) ? 1 : oc, most * std::sqrt(static_cast<double>(taps)), multiplier, shift);
    range = data.range();
  }

  ChannelRequant requant() const { return {multiplier, shift, range}; }

  /// f(source) while the rows live.
  template <class F>
  LayerPtr with_source(const F& f) const {
    const HeldRows rows(weights, taps);
    return f(WeightSource{rows, kind, offset, bias});
  }
  std::string text() const {
    return kind == WeightKind::i4 ? ", 4 bits" : kind == WeightKind::i8 ? ", 8 bits" : ", 9 bits";
  }
};

inline Residual any_residual(CaseData& data, int32_t x_zero_point) {
  constexpr int64_t kMost = (1 << 21) - 1;
  const OutputRange y = data.range();
  const auto factors = data.fill<int32_t>(2, -kMost, kMost);
  const int64_t shift = data.chance(2) ? data.pick(18, 22) : data.pick(1, 30);
  return {factors[0], x_zero_point, factors[1], static_cast<int32_t>(shift), y.zero_point, y.lo, y.hi};
}

/// Any fusion, any pitch: the layer of `table` gives the reference's bytes.
inline void expect_equal_conv(const Kernels& table, const ConvCase& c, CaseData& data) {
  const ConvData d(data, c.oc, c.taps());
  const int64_t n = data.pick(1, 3);
  const int32_t zero = static_cast<int32_t>(data.one_of<int64_t>({0, 255, data.pick(0, 255)}));
  std::vector<Operand> xs{any_operand(data, c.x, n, zero)};
  ConvFusion fusion{.x_pixel = xs[0].pixel, .residual = {}, .max_pool = false};
  Result y{c.y(), c.requantize ? 1 : 4};
  if (c.requantize && data.chance(3)) {
    const int32_t residual_zero = static_cast<int32_t>(data.pick(0, 255));
    fusion.residual = any_residual(data, residual_zero);
    xs.push_back(any_operand(data, y.extent, n, residual_zero));
  } else if (c.requantize && y.extent.h > 1 && y.extent.w > 1 && data.chance(3)) {
    fusion.max_pool = true;
    y.extent.h /= 2, y.extent.w /= 2;
  }
  std::optional<ChannelRequant> requant;
  if (c.requantize) requant = d.requant();
  expect_equal_tables(
      table,
      [&](const Kernels& k) {
        return d.with_source([&](const WeightSource& w) {
          return make_qconv2d(k, c.x, c.window, c.groups, c.oc, zero, w, requant, fusion);
        });
      },
      xs, n, y, data,
      c.text() + d.text() + (fusion.residual ? ", residual" : "") + (fusion.max_pool ? ", pool" : "") +
          ", pitch " + std::to_string(fusion.x_pixel) + ", zero point " + std::to_string(zero));
}

}  // namespace icepoint
