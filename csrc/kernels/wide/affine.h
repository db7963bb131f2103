// qaffine: a vector of channels at a time, whose constants are set up once for a block of pixels.
#pragma once

#include "kernels/wide/codes.h"
#include "kernels/wide/runs.h"

namespace icepoint::wide {

/// The constants of V::kBytes channels, in the order of Quads.
template <class V>
class AffineChannels {
  using Reg = typename V::Reg;

 public:
  // Channels first.. of n; those behind the last one get zeros, and their codes are not stored.
  ICEPOINT_INLINE AffineChannels(const AffineArgs& a, int64_t first)
      : minus_zero_point_(V::splat16(-a.x_zero_point)), clamp_(a.y_zero_point, a.lo, a.hi) {
    for (int part = 0; part < 4; ++part) {
      uint32_t multiplier[V::kLanes], offset[V::kLanes];
      int32_t shift[V::kLanes];
      for (int lane = 0; lane < V::kLanes; ++lane) {
        const int64_t c = first + quad_code<V>(part, lane);
        const bool exists = c < a.c;
        // abs(m) < 2^21, so m = 2^6 high + low with both in 16 bits: x m = (2^6 x) high + x low.
        const int32_t m = exists ? a.multiplier[c] : 0;
        multiplier[lane] = (static_cast<uint32_t>(m & 63) << 16) | (static_cast<uint32_t>(m >> 6) & 0xffff);
        shift[lane] = exists ? a.shift[c] : 1;
        offset[lane] = static_cast<uint32_t>(exists ? a.offset[c] : 0) + (1u << (shift[lane] - 1));
      }
      multiplier_[part] = V::load(multiplier);
      offset_[part] = V::load(offset);
      shift_[part] = typename V::Shifts(shift);
    }
  }

  ICEPOINT_INLINE Reg operator()(Reg x) const {
    const Reg zero = V::zero();
    const Reg low = V::adds16(V::zip_low8(x, zero), minus_zero_point_);
    const Reg high = V::adds16(V::zip_high8(x, zero), minus_zero_point_);
    const Reg low64 = V::template shl16<6>(low), high64 = V::template shl16<6>(high);
    return clamp_({{code<0>(V::zip_low16(low64, low)), code<1>(V::zip_high16(low64, low)),
                    code<2>(V::zip_low16(high64, high)), code<3>(V::zip_high16(high64, high))}});
  }

 private:
  template <int part>
  ICEPOINT_INLINE Reg code(Reg both) const {
    return V::shift_right(V::dot16(offset_[part], both, multiplier_[part]), shift_[part]);
  }

  Reg minus_zero_point_;
  Clamp<V> clamp_;
  Reg multiplier_[4], offset_[4];
  typename V::Shifts shift_[4];
};

template <class V>
void affine(const AffineArgs& a) {
  // So many rows that setting up a vector of channels, some hundred cycles, is little beside them.
  const int64_t block = std::max<int64_t>(1, 256 / a.w);
  for (int64_t begin = a.begin; begin < a.end; begin += block) {
    const int64_t end = std::min(begin + block, a.end);
    for (int64_t c = 0; c < a.c; c += V::kBytes) {
      const AffineChannels<V> channels(a, c);
      const int64_t n = std::min<int64_t>(V::kBytes, a.c - c);
      for_each_run<V>(a.h, a.w, n, begin, end, false,
                      [&](int64_t image, int64_t row, int64_t column, int64_t count) {
                        const uint8_t* x = a.x.at(image, row, column) + c;
                        fill<V>(a.y.at(image, row, column) + c, count,
                                [&](int64_t) ICEPOINT_ALWAYS_INLINE { return channels(V::load(x)); });
                      });
    }
  }
}

}  // namespace icepoint::wide
