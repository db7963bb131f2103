// min(max(x, lo), hi) on bytes.
#pragma once

#include "kernels/wide/runs.h"

namespace icepoint::wide {

template <class V>
void clamp(const ClampArgs& a) {
  const auto lo = V::splat8(a.lo), hi = V::splat8(a.hi);
  for_each_run<V>(a.h, a.w, a.c, a.begin, a.end, a.x.pixel == a.c && a.y.pixel == a.c,
                  [&](int64_t image, int64_t row, int64_t column, int64_t n) ICEPOINT_ALWAYS_INLINE {
                    const uint8_t* x = a.x.at(image, row, column);
                    fill<V>(a.y.at(image, row, column), n, [&](int64_t i) ICEPOINT_ALWAYS_INLINE {
                      return V::min8(V::max8(V::load(x + i), lo), hi);
                    });
                  });
}

}  // namespace icepoint::wide
