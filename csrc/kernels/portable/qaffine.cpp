// Portable qaffine: eight channels at a time, whose numbers stay in registers over many pixels.
#include <algorithm>

#include "kernels/portable/table.h"
#include "kernels/portable/vec.h"

namespace icepoint::portable {

namespace {

constexpr int64_t kPixels = 32;  // that all channels visit before the next ones: they stay in the first cache

// Four channels of clamp(zy + ((x - zx) m + b + 2^(s-1) >> s)).
class Affine4 {
 public:
  Affine4(const AffineArgs& a, int64_t first) {
    for (int i = 0; i < 4; ++i) {
      const int32_t multiplier = a.multiplier[first + i], shift = a.shift[first + i];
      // abs(m) < 2^21, so m = 2^6 high + low with both in 16 bits: x m = (2^6 x) high + x low.
      multiplier_[2 * i] = static_cast<int16_t>(multiplier >> 6);
      multiplier_[2 * i + 1] = static_cast<int16_t>(multiplier & 63);
      // The sum fits int32 (see the reference). With 2^31 more it is unsigned, and a shift to the right
      // by s is the upper half of a product with 2^(32-s).
      offset_[i] = static_cast<uint32_t>(a.offset[first + i]) + (uint32_t{1} << (shift - 1)) + 0x80000000u;
      scale_[i] = uint32_t{1} << (32 - shift);
      zero_point_[i] = a.y_zero_point - (int32_t{1} << (31 - shift));
    }
  }

  // `pairs`: 2^6 x and x of each channel.
  I32x4 operator()(I16x8 pairs) const {
    const U32x4 sum = dot_pairs(pairs, multiplier_) + offset_;
    return (I32x4)high_halves(mul_even(sum, scale_), mul_even(odd_to_even(sum), odd_to_even(scale_))) +
           zero_point_;
  }

 private:
  I16x8 multiplier_{};
  U32x4 offset_{}, scale_{};
  I32x4 zero_point_{};
};

void eight_channels(const AffineArgs& a, int64_t c, int64_t begin, int64_t end) {
  const Affine4 low(a, c), high(a, c + 4);
  const int32_t x_zero = a.x_zero_point, lo = a.lo, hi = a.hi;
  const int64_t step = a.c;
  const uint8_t* x = a.x + begin * step + c;
  uint8_t* y = a.y + begin * step + c;
  for (int64_t p = begin; p < end; ++p, x += step, y += step) {
    const I16x8 centred = centred8(x, x_zero), shifted = centred * int16_t{64};
    store8(low(zip_low(shifted, centred)), high(zip_high(shifted, centred)), lo, hi, y);
  }
}

void one_channel(const AffineArgs& a, int64_t c, int64_t begin, int64_t end) {
  const int32_t multiplier = a.multiplier[c], shift = a.shift[c], offset = a.offset[c] + (1 << (shift - 1));
  for (int64_t p = begin; p < end; ++p) {
    const int32_t sum = (a.x[p * a.c + c] - a.x_zero_point) * multiplier + offset;
    a.y[p * a.c + c] = static_cast<uint8_t>(std::clamp(a.y_zero_point + (sum >> shift), a.lo, a.hi));
  }
}

}  // namespace

void affine(const AffineArgs& a) {
  for (int64_t begin = a.begin; begin < a.end; begin += kPixels) {
    const int64_t end = std::min(begin + kPixels, a.end);
    int64_t c = 0;
    for (; c + 8 <= a.c; c += 8) eight_channels(a, c, begin, end);
    for (; c < a.c; ++c) one_channel(a, c, begin, end);
  }
}

}  // namespace icepoint::portable
