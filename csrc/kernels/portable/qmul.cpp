// Portable qmul: products of two centred codes, requantized four at a time.
#include "core/requantize.h"
#include "kernels/portable/requantize.h"
#include "kernels/portable/table.h"
#include "kernels/reference/table.h"

namespace icepoint::portable {

namespace {

// y[i] for i < n, b as long as a.
void mul_row(const MulArgs& p, const Requant4& q, const uint8_t* a, const uint8_t* b, int64_t n, uint8_t* y) {
  const int32_t a_zero = p.a_zero_point, b_zero = p.b_zero_point, lo = p.lo, hi = p.hi;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const I16x8 one = centred8(a + i, a_zero), two = centred8(b + i, b_zero), none{};
    const U32x4 low = dot_pairs(zip_low(one, none), zip_low(two, none));
    const U32x4 high = dot_pairs(zip_high(one, none), zip_high(two, none));
    store8(q(low), q(high), lo, hi, y + i);
  }
  for (; i < n; ++i)
    y[i] = static_cast<uint8_t>(
        requantize_clamp((a[i] - a_zero) * (b[i] - b_zero), p.multiplier, p.shift, p.y_zero_point, lo, hi));
}

}  // namespace

void mul(const MulArgs& p) {
  if (p.shift < Requant4::kLeastShift) return reference::mul(p);
  const Requant4 q = Requant4::same(p.multiplier, p.shift, p.y_zero_point);
  for (int64_t n = p.begin; n < p.end; ++n) {
    const int64_t first = n * p.pixels * p.c;
    if (p.b_pixels == p.pixels) {
      mul_row(p, q, p.a + first, p.b + first, p.pixels * p.c, p.y + first);
      continue;
    }
    for (int64_t pixel = 0; pixel < p.pixels; ++pixel)
      mul_row(p, q, p.a + first + pixel * p.c, p.b + n * p.c, p.c, p.y + first + pixel * p.c);
  }
}

}  // namespace icepoint::portable
