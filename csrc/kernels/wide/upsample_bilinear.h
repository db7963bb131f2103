// Bilinear up-sampling: two 16-bit dot products, for the upper and for the lower pixels.
#pragma once

#include "kernels/wide/codes.h"
#include "kernels/wide/runs.h"

namespace icepoint::wide {

/// The weights of two neighbours of a row, each 0..2^22, as 2^11 high + low with both in 16 bits.
template <class V>
struct PixelWeights {
  using Reg = typename V::Reg;
  Reg high, low;

  ICEPOINT_INLINE PixelWeights(int32_t left, int32_t right)
      : high(V::splat32((right >> 11) << 16 | left >> 11)),
        low(V::splat32((right & 2047) << 16 | (left & 2047))) {}
};

template <class V>
void upsample_bilinear(const UpsampleBilinearArgs &a) {
  using Reg = typename V::Reg;
  const Clamp<V> clamp(0, 0, 255);
  const Reg half = V::splat32(1 << 21);
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.oh, oy = row % a.oh;
    const int32_t wy = a.row_weight[oy];
    const int64_t top = a.row_index[oy], bottom = wy == 0 ? top : top + 1;  // the row below may not exist
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      const int32_t wx = a.col_weight[ox];
      const int64_t left = a.col_index[ox], right = wx == 0 ? left : left + 1;
      const uint8_t *x00 = a.x.at(image, top, left), *x01 = a.x.at(image, top, right);
      const uint8_t *x10 = a.x.at(image, bottom, left), *x11 = a.x.at(image, bottom, right);
      const PixelWeights<V> upper((2048 - wy) * (2048 - wx), (2048 - wy) * wx);
      const PixelWeights<V> lower(wy * (2048 - wx), wy * wx);
      // The four weights add up to 2^22, so the sum is at most 255 * 2^22 < 2^30.
      const auto sum = [&](Reg above, Reg below) {
        const Reg high = V::dot16(V::dot16(V::zero(), above, upper.high), below, lower.high);
        const Reg low = V::dot16(V::dot16(half, above, upper.low), below, lower.low);
        return V::sra32(V::add32(V::template shl32<11>(high), low), 22);
      };
      fill<V>(a.y.at(image, oy, ox), a.c, [&](int64_t i) ICEPOINT_ALWAYS_INLINE {
        const Quads<V> above = pairs<V>(V::load(x00 + i), V::load(x01 + i));
        const Quads<V> below = pairs<V>(V::load(x10 + i), V::load(x11 + i));
        return clamp({{sum(above.part[0], below.part[0]), sum(above.part[1], below.part[1]),
                       sum(above.part[2], below.part[2]), sum(above.part[3], below.part[3])}});
      });
    }
  }
}

}  // namespace icepoint::wide
