// qadd: a convolution's residual sum, from two inputs in memory.
#pragma once

#include "kernels/wide/codes.h"
#include "kernels/wide/runs.h"

namespace icepoint::wide {

template <class V>
void add(const AddArgs& args) {
  const Residual r{.q_multiplier = args.a_multiplier,
                   .x_zero_point = args.b_zero_point,
                   .x_multiplier = args.b_multiplier,
                   .shift = args.shift,
                   .y_zero_point = args.y_zero_point,
                   .lo = args.lo,
                   .hi = args.hi};
  const Sum<V> sum(r, args.a_zero_point, 0, 255);
  const Clamp<V> clamp(args.y_zero_point, args.lo, args.hi);

  const int64_t c = args.c;
  const bool dense = args.a.pixel == c && args.b.pixel == c && args.y.pixel == c;
  for_each_run<V>(args.h, args.w, c, args.begin, args.end, dense,
                  [&](int64_t image, int64_t row, int64_t column, int64_t n) ICEPOINT_ALWAYS_INLINE {
                    const uint8_t *a = args.a.at(image, row, column), *b = args.b.at(image, row, column);
                    fill<V>(args.y.at(image, row, column), n, [&](int64_t i) ICEPOINT_ALWAYS_INLINE {
                      const Quads<V> both = pairs<V>(V::load(a + i), V::load(b + i));
                      return clamp({{sum.half(both.part[0]), sum.half(both.part[1]), sum.half(both.part[2]),
                                     sum.half(both.part[3])}});
                    });
                  });
}

}  // namespace icepoint::wide
