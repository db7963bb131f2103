// Codes to floats: from channels last to planes (c, h, w).
#pragma once

#include "kernels/wide/interleave.h"

namespace icepoint::wide {

/// y[i] = float(x[i] - zero_point) * scale for i < n.
template <class V>
ICEPOINT_INLINE void dequantize(const uint8_t* __restrict x, int64_t n, int32_t zero_point, float scale,
                                float* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i] - zero_point) * scale;
}

template <class V>
void store(const StoreArgs& a) {
  using Bytes = typename Sixteen<V>::Bytes;
  const int64_t plane = a.h * a.w;
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.h, oy = row % a.h;
    if (plane == 1 || (a.c == 1 && a.x.pixel == 1)) {  // the two orders agree
      dequantize<V>(a.x.at(image, oy, 0), a.w * a.c, a.zero_point, a.scale, a.y + row * a.w * a.c);
      continue;
    }
    for (int64_t x = 0; x < a.w; x += 16) {
      const int64_t n = std::min<int64_t>(16, a.w - x);
      for (int64_t c = 0; c < a.c; c += kChannels) {
        Bytes rows[kChannels];
        for (int64_t i = 0; i < 16; ++i)
          rows[i] = Sixteen<V>::load(a.x.at(image, oy, x + std::min(i, n - 1)) + c);
        Sixteen<V>::template transpose<kChannels>(rows);
        uint8_t bytes[16][16];
        std::memcpy(bytes, rows, sizeof(bytes));
        float* y = a.y + ((image * a.c + c) * a.h + oy) * a.w + x;
        for (int64_t i = 0; i < std::min<int64_t>(kChannels, a.c - c); ++i, y += plane)
          if (n == 16)
            dequantize<V>(bytes[i], 16, a.zero_point, a.scale, y);
          else
            dequantize<V>(bytes[i], n, a.zero_point, a.scale, y);
      }
    }
  }
}

}  // namespace icepoint::wide
