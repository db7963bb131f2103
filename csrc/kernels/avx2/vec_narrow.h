// What narrow groups need of the avx2 table's vector beyond vec.h. Included inside its target region.
#pragma once

namespace icepoint::avx2 {

struct NarrowVec : Vec {
  /// Pixels whose sums fill the registers beside what they need.
  static constexpr int kPixels = 2;
  /// A vector is cut into 1 or 2 pieces of at least 16 bytes, each for a pixel of its own.
  static constexpr int kMostPieces = 2;

  /// (a0, b0, a1, b1, ...) of the lower and of the upper half of every 16 bytes.
  static ICEPOINT_INLINE Reg zip_low8(Reg a, Reg b) { return _mm256_unpacklo_epi8(a, b); }
  static ICEPOINT_INLINE Reg zip_high8(Reg a, Reg b) { return _mm256_unpackhi_epi8(a, b); }
  /// Every 16 bytes, a matrix (2, 2, 4) where unit is 2, (4, 4) where it is 4: its last two axes swapped.
  template <int unit>
  static ICEPOINT_INLINE Reg swap_axes(Reg v) {
    const __m128i order = unit == 2 ? _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15)
                                    : _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
  }
  /// Four bytes of x in every lane, ready for dot.
  static ICEPOINT_INLINE X four(Reg bytes) {
    return {_mm256_and_si256(bytes, splat16(255)), _mm256_srli_epi16(bytes, 8)};
  }
  /// acc = dot(acc, x, w).
  /// Nothing here: where all registers are taken, a second load is the better choice.
  static ICEPOINT_INLINE W hold(W w) { return w; }

  /// A piece from p[0] + at, the next from p[1] + at, ...
  template <int pieces>
  static ICEPOINT_INLINE Reg gather(const uint8_t* const* p, int64_t at) {
    if constexpr (pieces == 1) {
      return load(p[0] + at);
    } else {
      return _mm256_inserti128_si256(_mm256_castsi128_si256(half(p[0] + at)), half(p[1] + at), 1);
    }
  }

  /// The first `n` bytes of piece i to y[i], where that is not null.
  template <int pieces>
  static ICEPOINT_INLINE void scatter(uint8_t* const* y, Reg v, int n) {
    if constexpr (pieces == 1) {
      if (n == 32)
        store(y[0], v);
      else
        part(y[0], v, n);
    } else {
      put(y[0], _mm256_castsi256_si128(v), n);
      put(y[1], _mm256_extracti128_si256(v, 1), n);
    }
  }

 private:
  static ICEPOINT_INLINE __m128i half(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static ICEPOINT_INLINE void put(uint8_t* y, __m128i v, int n) {
    if (y == nullptr) return;
    if (n == 16)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(y), v);
    else
      part(y, v, n);
  }
  template <class Codes>
  static ICEPOINT_INLINE void part(uint8_t* y, const Codes& v, int n) {
    uint8_t bytes[sizeof(v)];
    std::memcpy(bytes, &v, sizeof(v));
    std::memcpy(y, bytes, static_cast<size_t>(n));
  }
};

}  // namespace icepoint::avx2
