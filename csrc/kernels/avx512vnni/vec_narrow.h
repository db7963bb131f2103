// What narrow groups need of the avx512vnni table's vector beyond vec.h. Included inside its target region.
#pragma once

namespace icepoint::avx512vnni {

struct NarrowVec : Vec {
  /// Pixels whose sums fill the registers beside what they need.
  static constexpr int kPixels = 4;
  /// A vector is cut into 1, 2 or 4 pieces of at least 16 bytes, each for a pixel of its own.
  static constexpr int kMostPieces = 4;

  /// (a0, b0, a1, b1, ...) of the lower and of the upper half of every 16 bytes.
  static ICEPOINT_INLINE Reg zip_low8(Reg a, Reg b) { return _mm512_unpacklo_epi8(a, b); }
  static ICEPOINT_INLINE Reg zip_high8(Reg a, Reg b) { return _mm512_unpackhi_epi8(a, b); }
  /// Every 16 bytes, a matrix (2, 2, 4) where unit is 2, (4, 4) where it is 4: its last two axes swapped.
  template <int unit>
  static ICEPOINT_INLINE Reg swap_axes(Reg v) {
    const __m128i order = unit == 2 ? _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15)
                                    : _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
  }
  /// Four bytes of x in every lane, ready for dot.
  static ICEPOINT_INLINE X four(Reg bytes) { return bytes; }
  /// v, in a register from here on: GCC would load it again for each of its uses.
  static ICEPOINT_INLINE Reg hold(Reg v) {
    asm("" : "+v"(v));
    return v;
  }
  static ICEPOINT_INLINE Reg load(const void* p) { return hold(Vec::load(p)); }

  /// A piece from p[0] + at, the next from p[1] + at, ...
  template <int pieces>
  static ICEPOINT_INLINE Reg gather(const uint8_t* const* p, int64_t at) {
    if constexpr (pieces == 1) {
      return load(p[0] + at);
    } else if constexpr (pieces == 2) {
      return hold(_mm512_inserti64x4(_mm512_castsi256_si512(half(p[0] + at)), half(p[1] + at), 1));
    } else {
      Reg v = _mm512_castsi128_si512(quarter(p[0] + at));
      v = _mm512_inserti32x4(v, quarter(p[1] + at), 1);
      v = _mm512_inserti32x4(v, quarter(p[2] + at), 2);
      return hold(_mm512_inserti32x4(v, quarter(p[3] + at), 3));
    }
  }

  /// The first `n` bytes of piece i to y[i], where that is not null.
  template <int pieces>
  static ICEPOINT_INLINE void scatter(uint8_t* const* y, Reg v, int n) {
    if constexpr (pieces == 1) {
      if (n == 64)
        store(y[0], v);
      else
        _mm512_mask_storeu_epi8(y[0], (uint64_t{1} << n) - 1, v);
    } else if constexpr (pieces == 2) {
      put(y[0], _mm512_castsi512_si256(v), n);
      put(y[1], _mm512_extracti64x4_epi64(v, 1), n);
    } else {
      put(y[0], _mm512_castsi512_si128(v), n);
      put(y[1], _mm512_extracti32x4_epi32(v, 1), n);
      put(y[2], _mm512_extracti32x4_epi32(v, 2), n);
      put(y[3], _mm512_extracti32x4_epi32(v, 3), n);
    }
  }

 private:
  static ICEPOINT_INLINE __m256i half(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static ICEPOINT_INLINE __m128i quarter(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static ICEPOINT_INLINE void put(uint8_t* y, __m256i v, int n) {
    if (y == nullptr) return;
    if (n == 32)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), v);
    else
      _mm256_mask_storeu_epi8(y, static_cast<__mmask32>((uint64_t{1} << n) - 1), v);
  }
  static ICEPOINT_INLINE void put(uint8_t* y, __m128i v, int n) {
    if (y == nullptr) return;
    if (n == 16)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(y), v);
    else
      _mm_mask_storeu_epi8(y, static_cast<__mmask16>((1u << n) - 1), v);
  }
};

}  // namespace icepoint::avx512vnni
