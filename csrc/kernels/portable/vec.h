// Vectors of 128 bits that every compiler and CPU has, and the one product that all of it rests on.
//
// Accumulators are unsigned: a partial sum may wrap in two's complement, the final int32 cannot.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace icepoint::portable {

using I16x8 = int16_t __attribute__((vector_size(16)));
using U8x8 = uint8_t __attribute__((vector_size(8)));
using I32x4 = int32_t __attribute__((vector_size(16)));
using U32x4 = uint32_t __attribute__((vector_size(16)));
using U64x2 = uint64_t __attribute__((vector_size(16)));

/// Lane i: a[2i] b[2i] + a[2i+1] b[2i+1], exact where the sum is less than 2^31.
inline U32x4 dot_pairs(I16x8 a, I16x8 b) {
#if defined(__SSE2__)
  return (U32x4)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  const I32x4 a_low = (I32x4)((U32x4)a << 16) >> 16, a_high = (I32x4)a >> 16;
  const I32x4 b_low = (I32x4)((U32x4)b << 16) >> 16, b_high = (I32x4)b >> 16;
  return (U32x4)(a_low * b_low + a_high * b_high);
#endif
}

/// Lanes 0 and 2: a[2i] b[2i] whole.
inline U64x2 mul_even(U32x4 a, U32x4 b) {
#if defined(__SSE2__)
  return (U64x2)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return U64x2{uint64_t{a[0]} * b[0], uint64_t{a[2]} * b[2]};
#endif
}

/// Lanes 1 and 3 in the places of 0 and 2.
inline U32x4 odd_to_even(U32x4 v) {
  return __builtin_shufflevector(v, v, 1, 1, 3, 3);
}

/// The upper 32 bits of even[0], odd[0], even[1], odd[1].
inline U32x4 high_halves(U64x2 even, U64x2 odd) {
  return __builtin_shufflevector((U32x4)even, (U32x4)odd, 1, 5, 3, 7);
}

/// The vector at `p`, which is 16-byte aligned (load) or anywhere (load_any, store_any).
template <class Vector>
inline Vector load(const void* p) {
  Vector v;
  std::memcpy(&v, __builtin_assume_aligned(p, 16), sizeof(v));
  return v;
}
template <class Vector>
inline Vector load_any(const void* p) {
  Vector v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
template <class Vector>
inline void store_any(void* p, const Vector& v) {
  std::memcpy(p, &v, sizeof(v));
}

/// The pair p[0], p[1] in every lane.
inline I16x8 splat_pair(const int16_t* p) {
  uint32_t pair;
  std::memcpy(&pair, p, sizeof(pair));
  return (I16x8)U32x4{pair, pair, pair, pair};
}

/// (a0, b0, a1, b1, a2, b2, a3, b3), and the same of the upper halves.
inline I16x8 zip_low(I16x8 a, I16x8 b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
inline I16x8 zip_high(I16x8 a, I16x8 b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/// x[0..7] - zero_point.
inline I16x8 centred8(const uint8_t* x, int32_t zero_point) {
#if defined(__SSE2__)
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  return (I16x8)_mm_unpacklo_epi8(bytes, _mm_setzero_si128()) - static_cast<int16_t>(zero_point);
#else
  return __builtin_convertvector(load_any<U8x8>(x), I16x8) - static_cast<int16_t>(zero_point);
#endif
}

/// y[0..7] = the eight codes clamped to lo..hi, which lie in 0..255.
inline void store8(I32x4 low, I32x4 high, int32_t lo, int32_t hi, uint8_t* y) {
#if defined(__SSE2__)
  // Cutting to int16 first moves no code across lo or hi.
  __m128i codes = _mm_packs_epi32((__m128i)low, (__m128i)high);
  codes = _mm_max_epi16(codes, _mm_set1_epi16(static_cast<int16_t>(lo)));
  codes = _mm_min_epi16(codes, _mm_set1_epi16(static_cast<int16_t>(hi)));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(y), _mm_packus_epi16(codes, codes));
#else
  const int32_t codes[8] = {low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]};
  for (int i = 0; i < 8; ++i) y[i] = static_cast<uint8_t>(std::clamp(codes[i], lo, hi));
#endif
}

/// to[i] = x[i] - zero_point for i < n, eight at a time. Up to seven elements behind to[n - 1] are
/// written too, with what lies behind x where that is before `end`, the end of x's image.
inline void centre(const uint8_t* x, int64_t n, const uint8_t* end, int32_t zero_point, int16_t* to) {
  int64_t i = 0;
  for (; i < n && end - (x + i) >= 8; i += 8) store_any(to + i, centred8(x + i, zero_point));
  for (; i < n; ++i) to[i] = static_cast<int16_t>(x[i] - zero_point);
}

}  // namespace icepoint::portable
