// Narrow groups: bytes of taps side by side, and sums on their way to codes. Included inside a target region.
#pragma once

#include "kernels/wide/epilogue.h"
#include "kernels/wide/narrow_layout.h"

namespace icepoint::wide {

/// Vectors of taps to vectors whose lanes hold four bytes for the dot product, in NarrowLayout's order.
template <class V, int unit>
ICEPOINT_INLINE void side_by_side(const typename V::Reg* tap, typename V::Reg* to) {
  if constexpr (unit == 4) {
    to[0] = tap[0];
  } else if constexpr (unit == 2) {
    to[0] = V::zip_low16(tap[0], tap[1]);
    to[1] = V::zip_high16(tap[0], tap[1]);
  } else {
    const auto low = V::zip_low8(tap[0], tap[1]), low2 = V::zip_low8(tap[2], tap[3]);
    to[0] = V::zip_low16(low, low2);
    to[1] = V::zip_high16(low, low2);
    const auto high = V::zip_high8(tap[0], tap[1]), high2 = V::zip_high8(tap[2], tap[3]);
    to[2] = V::zip_low16(high, high2);
    to[3] = V::zip_high16(high, high2);
  }
}

/// Where the pieces of one vector of codes go; null: nowhere.
template <int pieces>
struct NarrowPixels {
  uint8_t* y[pieces];
  const uint8_t* residual[pieces];

  // Always inline, for no vector is part of its name: see target.h.
  ICEPOINT_INLINE void set(const Conv2dArgs& a, const NarrowHeader& h, int piece, int64_t image, int64_t oy,
                           int64_t ox, int64_t channel, bool wanted) {
    const int64_t bytes = h.has_requant ? 1 : 4;
    y[piece] = wanted ? a.y.at(image, oy, ox) + channel * bytes : nullptr;
    residual[piece] = h.has_residual ? a.residual.at(image, oy, ox) + channel : nullptr;
  }
};

/// The rule of one block's sums, from 4 vectors of them on.
template <class V, int unit, int pieces>
class NarrowCodes {
 public:
  using Reg = typename V::Reg;
  static constexpr int L = V::kLanes;

  NarrowCodes(const NarrowHeader& h, const NarrowBlock<V>& b)
      : h_(h),
        b_(b),
        lo_(V::splat8(h.lo)),
        hi_(V::splat8(h.hi)),
        sum_(h.residual, h.zero_point, h.lo, h.hi) {}

  void store(const int32_t* sums, const NarrowPixels<pieces>& to) const {
    if (!h_.has_requant) return store_sums(sums, to);
    Reg v[4];
    for (int a = 0; a < 4; ++a) v[a] = V::load(sums + a * L);
    store_codes(v, to);
  }

  /// Of the four sums of every channel the largest: requantization is monotone.
  void store_largest(const int32_t* sums, const NarrowPixels<pieces>& to) const {
    Reg v[4];
    for (int a = 0; a < 4; ++a) {
      const int32_t* at = sums + a * L;
      v[a] = V::max32(V::max32(V::load(at), V::load(at + 4 * L)),
                      V::max32(V::load(at + 8 * L), V::load(at + 12 * L)));
    }
    store_codes(v, to);
  }

 private:
  void store_codes(Reg* v, const NarrowPixels<pieces>& to) const {
    for (int a = 0; a < 4; ++a) {
      if (h_.prescale) v[a] = b_.scales.prescale(v[a], a);
      v[a] = V::requantize(v[a], b_.scales.load(a));
    }
    Reg codes = V::pack8(V::pack16(v[0], v[1]), V::pack16(v[2], v[3]));
    if constexpr (unit != 1) codes = V::template swap_axes<unit>(codes);
    codes = V::min8(V::max8(codes, lo_), hi_);
    if (h_.has_residual) {
      const Reg x = V::template gather<pieces>(to.residual, 0), zero = V::zero();
      codes = V::pack8(with_residual(V::zip_low8(codes, zero), V::zip_low8(x, zero)),
                       with_residual(V::zip_high8(codes, zero), V::zip_high8(x, zero)));
      codes = V::min8(V::max8(codes, V::splat8(h_.residual.lo)), V::splat8(h_.residual.hi));
    }
    V::template scatter<pieces>(to.y, codes, b_.count);
  }

  Reg with_residual(Reg q, Reg x) const {
    const Reg sums = V::pack16(sum_.half(V::zip_low16(q, x)), sum_.half(V::zip_high16(q, x)));
    return V::adds16(sums, sum_.zero_point);
  }

  void store_sums(const int32_t* sums, const NarrowPixels<pieces>& to) const {
    for (int a = 0; a < 4; ++a) {
      for (int lane = 0; lane < L; ++lane) {
        const int place = NarrowLayout<V, unit>::channel_of(a, lane), c = place % (4 * L / pieces);
        uint8_t* y = to.y[place / (4 * L / pieces)];
        if (y != nullptr && c < b_.count) std::memcpy(y + 4 * c, sums + a * L + lane, 4);
      }
    }
  }

  const NarrowHeader& h_;
  const NarrowBlock<V>& b_;
  Reg lo_, hi_;
  Sum<V> sum_;
};

}  // namespace icepoint::wide
