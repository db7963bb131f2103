// Planes of bytes to pixels and back: blocks of 16 channels by 64 pixels that lie on the stack.
#pragma once

#include "kernels/wide/short_copy.h"

namespace icepoint::wide {

inline constexpr int64_t kPixels = 64, kChannels = 16;

/// Sixteen bytes, as every instruction set has them.
template <class V>
struct Sixteen {
  using Bytes [[gnu::vector_size(16)]] = uint8_t;

  static ICEPOINT_INLINE Bytes load(const uint8_t* p) {
    Bytes v;
    std::memcpy(&v, p, sizeof(v));
    return v;
  }
  static ICEPOINT_INLINE Bytes low(Bytes a, Bytes b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  }
  static ICEPOINT_INLINE Bytes high(Bytes a, Bytes b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }

  /// (kRows, 16) to (16, kRows): zip rows that are half of them apart, log2(kRows) times.
  template <int kRows>
  static ICEPOINT_INLINE void transpose(Bytes (&rows)[kRows]) {
    for (int step = 1; step < kRows; step *= 2) {
      Bytes zipped[kRows];
      for (int i = 0; i < kRows / 2; ++i) {
        zipped[2 * i] = low(rows[i], rows[i + kRows / 2]);
        zipped[2 * i + 1] = high(rows[i], rows[i + kRows / 2]);
      }
      for (int i = 0; i < kRows; ++i) rows[i] = zipped[i];
    }
  }
};

/// Pixels 0..n - 1 of `channels` <= kRows planes to `y`, `pixel` bytes apart.
template <class V, int kRows>
void interleave_rows(const uint8_t (&planes)[kChannels][kPixels], int64_t channels, int64_t n, uint8_t* y,
                     int64_t pixel) {
  using S = Sixteen<V>;
  for (int64_t p = 0; p < n; p += 16, y += 16 * pixel) {
    typename S::Bytes rows[kRows];
    for (int i = 0; i < kRows; ++i) rows[i] = S::load(planes[i < channels ? i : 0] + p);
    S::template transpose<kRows>(rows);
    uint8_t bytes[16 * kRows];
    std::memcpy(bytes, rows, sizeof(bytes));
    const int64_t count = std::min<int64_t>(16, n - p);
    // Where pixels are neighbours, what is written too much is written again by the next pixels; the last
    // ones are (channels) wide to the byte.
    const int64_t last = pixel == channels ? (kRows - 1) / channels : channels == kRows ? 0 : count;
    const int64_t whole = std::max<int64_t>(count - last, 0);
    int64_t i = 0;
    for (; i < whole; ++i) std::memcpy(y + i * pixel, bytes + i * kRows, kRows);
    for (; i < count; ++i) short_copy<V, 2 * kRows>(y + i * pixel, bytes + i * kRows, channels);
  }
}

template <class V>
ICEPOINT_INLINE void interleave(const uint8_t (&planes)[kChannels][kPixels], int64_t channels, int64_t n,
                                uint8_t* y, int64_t pixel) {
  if (channels <= 4)
    interleave_rows<V, 4>(planes, channels, n, y, pixel);
  else
    interleave_rows<V, 16>(planes, channels, n, y, pixel);
}

}  // namespace icepoint::wide
