// What narrow groups need of the portable table's vector beyond vec.h.
#pragma once

namespace icepoint::portable {

struct NarrowVec : Vec {
  /// Pixels whose sums fill the registers beside what they need.
  static constexpr int kPixels = 2;
  /// A vector is one piece, of one pixel.
  static constexpr int kMostPieces = 1;

  /// (a0, b0, a1, b1, ...) of the lower and of the upper half.
  static ICEPOINT_INLINE Reg zip_low8(Reg a, Reg b) {
    return (Reg)__builtin_shufflevector((U8)a, (U8)b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  }
  static ICEPOINT_INLINE Reg zip_high8(Reg a, Reg b) {
    return (Reg)__builtin_shufflevector((U8)a, (U8)b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30,
                                        15, 31);
  }
  /// 16 bytes that are a matrix (2, 2, 4) where unit is 2, (4, 4) where it is 4: its last two axes swapped.
  template <int unit>
  static ICEPOINT_INLINE Reg swap_axes(Reg v) {
    const U8 b = (U8)v;
    if constexpr (unit == 2)
      return (Reg)__builtin_shufflevector(b, b, 0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    else
      return (Reg)__builtin_shufflevector(b, b, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  }
  /// Four bytes of x in every lane, ready for dot.
  static ICEPOINT_INLINE X four(Reg bytes) { return {bytes & 0x00ff00ffu, (Reg)((U16)bytes >> 8)}; }
  /// acc = dot(acc, x, w).
  /// Nothing here: where all registers are taken, a second load is the better choice.
  static ICEPOINT_INLINE W hold(W w) { return w; }

  template <int pieces>
  static ICEPOINT_INLINE Reg gather(const uint8_t* const* p, int64_t at) {
    static_assert(pieces == 1);
    return load(p[0] + at);
  }
  /// The first `n` bytes to y[0].
  template <int pieces>
  static ICEPOINT_INLINE void scatter(uint8_t* const* y, Reg v, int n) {
    static_assert(pieces == 1);
    if (n == 16) {
      store(y[0], v);
    } else {
      uint8_t bytes[16];
      store(bytes, v);
      std::memcpy(y[0], bytes, static_cast<size_t>(n));
    }
  }
};

}  // namespace icepoint::portable
