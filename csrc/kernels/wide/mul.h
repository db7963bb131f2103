// qmul: products of centred codes as 16-bit dot products whose other half is zero.
#pragma once

#include "kernels/wide/codes.h"
#include "kernels/wide/runs.h"

namespace icepoint::wide {

template <class V>
void mul(const MulArgs& args) {
  using Reg = typename V::Reg;
  const Reg minus_a = V::splat16(-args.a_zero_point), minus_b = V::splat16(-args.b_zero_point);
  const Requantize<V> requantize(args.multiplier, args.shift, args.y_zero_point);
  const Clamp<V> clamp(0, args.lo, args.hi);  // the zero point is in the requantization
  const auto code = [&](Reg one, Reg two) { return requantize(V::dot16(V::zero(), one, two)); };

  const int64_t c = args.c;
  const bool dense = args.a.pixel == c && args.b.pixel == c && args.y.pixel == c;
  for_each_run<V>(args.h, args.w, c, args.begin, args.end, dense,
                  [&](int64_t image, int64_t row, int64_t column, int64_t n) ICEPOINT_ALWAYS_INLINE {
                    const uint8_t *a = args.a.at(image, row, column), *b = args.b.at(image, row, column);
                    fill<V>(args.y.at(image, row, column), n, [&](int64_t i) ICEPOINT_ALWAYS_INLINE {
                      const Reg zero = V::zero(), x = V::load(a + i), y = V::load(b + i);
                      const Reg x_low = V::adds16(V::zip_low8(x, zero), minus_a);
                      const Reg x_high = V::adds16(V::zip_high8(x, zero), minus_a);
                      const Reg y_low = V::adds16(V::zip_low8(y, zero), minus_b);
                      const Reg y_high = V::adds16(V::zip_high8(y, zero), minus_b);
                      return clamp({{code(V::zip_low16(x_low, zero), V::zip_low16(y_low, zero)),
                                     code(V::zip_high16(x_low, zero), V::zip_high16(y_low, zero)),
                                     code(V::zip_low16(x_high, zero), V::zip_low16(y_high, zero)),
                                     code(V::zip_high16(x_high, zero), V::zip_high16(y_high, zero))}});
                    });
                  });
}

}  // namespace icepoint::wide
