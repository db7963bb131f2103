// Whole vectors of codes: as int32 and back, clamped, and Q with one multiplier for all channels.
//
// Included inside a target region, like all of wide/; V is the region's own Codes.
#pragma once

#include "kernels/wide/epilogue.h"

namespace icepoint::wide {

/// A vector of codes as four of int32: lane j of part k belongs to code quad_code(k, j).
template <class V>
struct Quads {
  typename V::Reg part[4];
};
template <class V>
constexpr int quad_code(int part, int lane) {
  return lane / 4 * 16 + part * 4 + lane % 4;
}

/// (a0, b0), (a1, b1), ... as pairs of int16. With b zero: a0, a1, ... as int32.
template <class V>
ICEPOINT_INLINE Quads<V> pairs(typename V::Reg a, typename V::Reg b) {
  const typename V::Reg zero = V::zero(), low = V::zip_low8(a, b), high = V::zip_high8(a, b);
  return {
      {V::zip_low8(low, zero), V::zip_high8(low, zero), V::zip_low8(high, zero), V::zip_high8(high, zero)}};
}

/// clamp(zero_point + v, lo, hi). The packs saturate, which moves no code across lo or hi: both are in
/// 0..255.
template <class V>
class Clamp {
  using Reg = typename V::Reg;

 public:
  ICEPOINT_INLINE Clamp(int32_t zero_point, int32_t lo, int32_t hi)
      : zero_point_(V::splat16(zero_point)), lo_(V::splat8(lo)), hi_(V::splat8(hi)) {}

  ICEPOINT_INLINE Reg operator()(const Quads<V>& q) const {
    const Reg low = V::adds16(V::pack16(q.part[0], q.part[1]), zero_point_);
    const Reg high = V::adds16(V::pack16(q.part[2], q.part[3]), zero_point_);
    return V::min8(V::max8(V::pack8(low, high), lo_), hi_);
  }

 private:
  Reg zero_point_, lo_, hi_;
};

/// zero_point + requantize(acc), one multiplier and shift for all lanes; not yet clamped to 0..255.
template <class V>
class Requantize {
  using Reg = typename V::Reg;

 public:
  ICEPOINT_INLINE Requantize(int32_t multiplier, int32_t shift, int32_t zero_point)
      : scales_(all_lanes(multiplier, shift, zero_point)),
        scale_(scales_.load(0)),
        prescale_(shift < kLeastShift) {}

  ICEPOINT_INLINE Reg operator()(Reg acc) const {
    if (prescale_) acc = scales_.prescale(acc, 0);
    return V::requantize(acc, scale_);
  }

 private:
  static Scales<V, 1> all_lanes(int32_t multiplier, int32_t shift, int32_t zero_point) {
    const Requant q{&multiplier, &shift, zero_point, 0, 255};
    Scales<V, 1> scales;
    for (int lane = 0; lane < V::kLanes; ++lane) scales.set(0, lane, q, 0);
    return scales;
  }

  Scales<V, 1> scales_;
  typename V::Scale scale_;
  bool prescale_;
};

}  // namespace icepoint::wide
