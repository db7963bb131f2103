// Portable qadd: both products of an element are one pair of a 16-bit dot product.
#include <algorithm>

#include "kernels/portable/table.h"
#include "kernels/portable/vec.h"

namespace icepoint::portable {

namespace {

// y[i] for i < n, b as long as a.
void add_row(const AddArgs& p, const uint8_t* a, const uint8_t* b, int64_t n, uint8_t* y) {
  // m = 2^11 high + low with low in 0..2047 and high in -1024..1023, so a 21-bit multiplier becomes
  // two that fit 16 bits: x m = (x high << 11) + x low. The sum fits int32 (see the reference).
  const int32_t a_high = p.a_multiplier >> 11, a_low = p.a_multiplier & 2047;
  const int32_t b_high = p.b_multiplier >> 11, b_low = p.b_multiplier & 2047;
  const int16_t high_pair[2] = {static_cast<int16_t>(a_high), static_cast<int16_t>(b_high)};
  const int16_t low_pair[2] = {static_cast<int16_t>(a_low), static_cast<int16_t>(b_low)};
  const I16x8 high = splat_pair(high_pair), low = splat_pair(low_pair);
  const int32_t shift = p.shift, y_zero = p.y_zero_point;
  const uint32_t half = uint32_t{1} << (shift - 1);
  const auto code = [&](I16x8 pairs) {
    const U32x4 sum = (dot_pairs(pairs, high) << 11) + dot_pairs(pairs, low) + half;
    return ((I32x4)sum >> shift) + y_zero;
  };

  const int32_t a_zero = p.a_zero_point, b_zero = p.b_zero_point, lo = p.lo, hi = p.hi;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const I16x8 one = centred8(a + i, a_zero), two = centred8(b + i, b_zero);
    store8(code(zip_low(one, two)), code(zip_high(one, two)), lo, hi, y + i);
  }
  for (; i < n; ++i) {
    const int32_t sum = (a[i] - p.a_zero_point) * p.a_multiplier + (b[i] - p.b_zero_point) * p.b_multiplier +
                        (1 << (shift - 1));
    y[i] = static_cast<uint8_t>(std::clamp(p.y_zero_point + (sum >> p.shift), p.lo, p.hi));
  }
}

}  // namespace

void add(const AddArgs& p) {
  for (int64_t n = p.begin; n < p.end; ++n) {
    const int64_t first = n * p.pixels * p.c;
    if (p.b_pixels == p.pixels) {
      add_row(p, p.a + first, p.b + first, p.pixels * p.c, p.y + first);
      continue;
    }
    for (int64_t pixel = 0; pixel < p.pixels; ++pixel)
      add_row(p, p.a + first + pixel * p.c, p.b + n * p.c, p.c, p.y + first + pixel * p.c);
  }
}

}  // namespace icepoint::portable
