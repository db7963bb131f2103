// Pools: the channels of a vector meet all taps of a window before the next channels do.
#pragma once

#include "kernels/wide/codes.h"
#include "kernels/wide/runs.h"

namespace icepoint::wide {

template <class V>
void max_pool2d(const MaxPool2dArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.oh, oy = row % a.oh;
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      const uint8_t* first = a.x.at(image, a.rows.begin[oy], a.cols.begin[ox]);
      const int64_t down = a.x.row * a.rows.step, right = a.x.pixel * a.cols.step;
      const int64_t height = a.rows.count[oy], width = a.cols.count[ox];
      fill<V>(a.y.at(image, oy, ox), a.c, [&](int64_t c) ICEPOINT_ALWAYS_INLINE {
        typename V::Reg most = V::zero();  // no code is below 0
        const uint8_t* line = first + c;
        for (int64_t j = 0; j < height; ++j, line += down) {
          const uint8_t* x = line;
          for (int64_t i = 0; i < width; ++i, x += right) most = V::max8(most, V::load(x));
        }
        return most;
      });
    }
  }
}

template <class V>
void avg_pool2d(const AvgPool2dArgs& a) {
  using Reg = typename V::Reg;
  constexpr int64_t kFit = 257;  // codes whose sum fits uint16: 257 * 255 = 2^16 - 1
  const Reg lo = V::splat16(a.lo), hi = V::splat16(a.hi), zero = V::zero();
  int32_t which = a.which[0];
  Requantize<V> requantize(a.multiplier[which], a.shift[which], a.y_zero_point);

  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.oh, oy = row % a.oh;
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      if (a.which[oy * a.ow + ox] != which) {
        which = a.which[oy * a.ow + ox];
        requantize = Requantize<V>(a.multiplier[which], a.shift[which], a.y_zero_point);
      }
      const uint8_t* first = a.x.at(image, a.rows.begin[oy], a.cols.begin[ox]);
      const int64_t down = a.x.row, right = a.x.pixel, height = a.rows.count[oy], width = a.cols.count[ox];
      const Reg start = V::splat32(static_cast<int32_t>(-height * width * a.x_zero_point));
      fill<V>(a.y.at(image, oy, ox), a.c, [&](int64_t c) ICEPOINT_ALWAYS_INLINE {
        Reg even = zero, odd = zero;  // channels, as uint16
        Reg even_low = start, even_high = start, odd_low = start, odd_high = start;
        int64_t count = 0;
        const auto flush = [&] {
          even_low = V::add32(even_low, V::zip_low16(even, zero));
          even_high = V::add32(even_high, V::zip_high16(even, zero));
          odd_low = V::add32(odd_low, V::zip_low16(odd, zero));
          odd_high = V::add32(odd_high, V::zip_high16(odd, zero));
          even = odd = zero, count = 0;
        };
        const uint8_t* line = first + c;
        for (int64_t j = 0; j < height; ++j, line += down) {
          const uint8_t* x = line;
          for (int64_t i = 0; i < width; ++i, x += right) {
            if (++count > kFit) flush(), count = 1;
            const Reg codes = V::load(x);
            even = V::add16(even, V::even8(codes)), odd = V::add16(odd, V::odd8(codes));
          }
        }
        flush();
        even = V::pack16(requantize(even_low), requantize(even_high));
        odd = V::pack16(requantize(odd_low), requantize(odd_high));
        return V::join8(V::min16(V::max16(even, lo), hi), V::min16(V::max16(odd, lo), hi));
      });
    }
  }
}

}  // namespace icepoint::wide
