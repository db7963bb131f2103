// The portable table's 4 lanes of 32 bits and all that is done to them, with SSE2 or with GCC's vectors
// alone.
//
// Lanes are unsigned: a partial sum may wrap in two's complement, the final int32 cannot.
#pragma once

#include "kernels/wide/prelude.h"

namespace icepoint::portable {

struct Lanes {
  static constexpr int kLanes = 4;
  using Reg = uint32_t __attribute__((vector_size(16)));
  using I32 = int32_t __attribute__((vector_size(16)));
  using I16 = int16_t __attribute__((vector_size(16)));
  using U16 = uint16_t __attribute__((vector_size(16)));
  using U8 = uint8_t __attribute__((vector_size(16)));
  using U64 = uint64_t __attribute__((vector_size(16)));

  static ICEPOINT_INLINE Reg zero() { return Reg{}; }
  static ICEPOINT_INLINE Reg load(const void* p) {
    Reg v;
    std::memcpy(&v, p, sizeof(v));
    return v;
  }
  static ICEPOINT_INLINE void store(void* p, Reg v) { std::memcpy(p, &v, sizeof(v)); }
  static ICEPOINT_INLINE Reg splat8(int v) { return (Reg)(U8{} + static_cast<uint8_t>(v)); }
  static ICEPOINT_INLINE Reg splat16(int v) { return (Reg)(U16{} + static_cast<uint16_t>(v)); }
  static ICEPOINT_INLINE Reg splat32(int v) { return Reg{} + static_cast<uint32_t>(v); }
  static ICEPOINT_INLINE Reg choose(Reg mask, Reg a, Reg b) { return (a & mask) | (b & ~mask); }

  // int32 lanes
  static ICEPOINT_INLINE Reg add32(Reg a, Reg b) { return a + b; }
  static ICEPOINT_INLINE Reg sub32(Reg a, Reg b) { return a - b; }
  static ICEPOINT_INLINE Reg max32(Reg a, Reg b) { return choose((Reg)((I32)a > (I32)b), a, b); }
  static ICEPOINT_INLINE Reg min32(Reg a, Reg b) { return choose((Reg)((I32)a > (I32)b), b, a); }
  static ICEPOINT_INLINE Reg mul32(Reg a, Reg b) { return a * b; }
  template <int n>
  static ICEPOINT_INLINE Reg shl32(Reg a) {
    return a << n;
  }
  template <int n>
  static ICEPOINT_INLINE Reg sra32(Reg a) {
    return (Reg)((I32)a >> n);
  }
  static ICEPOINT_INLINE Reg sra32(Reg a, int n) { return (Reg)((I32)a >> n); }

  // int16 lanes
  static ICEPOINT_INLINE Reg add16(Reg a, Reg b) { return (Reg)((U16)a + (U16)b); }
  static ICEPOINT_INLINE Reg sub16(Reg a, Reg b) { return (Reg)((U16)a - (U16)b); }
  template <int n>
  static ICEPOINT_INLINE Reg shl16(Reg a) {
    return (Reg)((U16)a << n);
  }
  static ICEPOINT_INLINE Reg max16(Reg a, Reg b) { return choose((Reg)((I16)a > (I16)b), a, b); }
  static ICEPOINT_INLINE Reg min16(Reg a, Reg b) { return choose((Reg)((I16)a > (I16)b), b, a); }
  /// (a0, b0, a1, b1, ...) of the lower and of the upper half.
  static ICEPOINT_INLINE Reg zip_low16(Reg a, Reg b) {
    return (Reg)__builtin_shufflevector((I16)a, (I16)b, 0, 8, 1, 9, 2, 10, 3, 11);
  }
  static ICEPOINT_INLINE Reg zip_high16(Reg a, Reg b) {
    return (Reg)__builtin_shufflevector((I16)a, (I16)b, 4, 12, 5, 13, 6, 14, 7, 15);
  }

#if defined(__SSE2__)
  static ICEPOINT_INLINE Reg adds16(Reg a, Reg b) {
    return (Reg)_mm_adds_epi16((__m128i)a, (__m128i)b);
  }
  /// acc + a[2i] b[2i] + a[2i+1] b[2i+1] in lane i.
  static ICEPOINT_INLINE Reg dot16(Reg acc, Reg a, Reg b) {
    return acc + (Reg)_mm_madd_epi16((__m128i)a, (__m128i)b);
  }
  /// 2 kLanes bytes as int16.
  static ICEPOINT_INLINE Reg load_u8_as_16(const uint8_t* p) {
    return (Reg)_mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), _mm_setzero_si128());
  }
  static ICEPOINT_INLINE Reg max8(Reg a, Reg b) {
    return (Reg)_mm_max_epu8((__m128i)a, (__m128i)b);
  }
  static ICEPOINT_INLINE Reg min8(Reg a, Reg b) {
    return (Reg)_mm_min_epu8((__m128i)a, (__m128i)b);
  }
  // Saturating packs: a's lanes come before b's.
  static ICEPOINT_INLINE Reg pack16(Reg a, Reg b) {
    return (Reg)_mm_packs_epi32((__m128i)a, (__m128i)b);
  }
  static ICEPOINT_INLINE Reg pack8(Reg a, Reg b) {
    return (Reg)_mm_packus_epi16((__m128i)a, (__m128i)b);
  }
  /// Lanes 0 and 2: a b whole.
  static ICEPOINT_INLINE U64 mul_even(Reg a, Reg b) {
    return (U64)_mm_mul_epu32((__m128i)a, (__m128i)b);
  }
#else
  static ICEPOINT_INLINE Reg adds16(Reg a, Reg b) {
    return pack16(low_16_as_32(a) + low_16_as_32(b), high_16_as_32(a) + high_16_as_32(b));
  }
  static ICEPOINT_INLINE Reg dot16(Reg acc, Reg a, Reg b) {
    const I32 a_low = (I32)(a << 16) >> 16, b_low = (I32)(b << 16) >> 16;
    return acc + (Reg)(a_low * b_low) + (Reg)(((I32)a >> 16) * ((I32)b >> 16));
  }
  static ICEPOINT_INLINE Reg load_u8_as_16(const uint8_t* p) {
    U16 v;
    for (int i = 0; i < 8; ++i) v[i] = p[i];
    return (Reg)v;
  }
  static ICEPOINT_INLINE Reg max8(Reg a, Reg b) {
    return choose((Reg)((U8)a > (U8)b), a, b);
  }
  static ICEPOINT_INLINE Reg min8(Reg a, Reg b) {
    return choose((Reg)((U8)a > (U8)b), b, a);
  }
  static ICEPOINT_INLINE Reg pack16(Reg a, Reg b) {
    const Reg most = splat32(32767), least = splat32(-32768);
    a = max32(min32(a, most), least), b = max32(min32(b, most), least);
    I16 v;
    for (int i = 0; i < 4; ++i) v[i] = static_cast<int16_t>(a[i]), v[i + 4] = static_cast<int16_t>(b[i]);
    return (Reg)v;
  }
  static ICEPOINT_INLINE Reg pack8(Reg a, Reg b) {
    const Reg most = splat16(255);
    const I16 low = (I16)max16(min16(a, most), zero()), high = (I16)max16(min16(b, most), zero());
    U8 v;
    for (int i = 0; i < 8; ++i) v[i] = static_cast<uint8_t>(low[i]), v[i + 8] = static_cast<uint8_t>(high[i]);
    return (Reg)v;
  }
  static ICEPOINT_INLINE U64 mul_even(Reg a, Reg b) {
    return U64{uint64_t{a[0]} * b[0], uint64_t{a[2]} * b[2]};
  }
  static ICEPOINT_INLINE Reg low_16_as_32(Reg v) {
    return (Reg)((I32)zip_low16(v, v) >> 16);
  }
  static ICEPOINT_INLINE Reg high_16_as_32(Reg v) {
    return (Reg)((I32)zip_high16(v, v) >> 16);
  }
#endif
  /// pack8 of 16 bytes leaves all of a before all of b already.
  static ICEPOINT_INLINE Reg unmix(Reg v) {
    return v;
  }

  // Half a vector of codes: 2 kLanes bytes.
  static ICEPOINT_INLINE void store_low(uint8_t* y, Reg v) {
    std::memcpy(y, &v, 8);
  }
  static ICEPOINT_INLINE void store_high(uint8_t* y, Reg v) {
    const uint64_t high = ((U64)v)[1];
    std::memcpy(y, &high, 8);
  }
  /// Bytes begin..end of a half alone; the others are not touched.
  struct Part {
    int begin, end;
    Part(int from, int to) : begin(from), end(to) {}
  };
  static ICEPOINT_INLINE void store_low(uint8_t* y, Reg v, Part part) {
    uint8_t bytes[8];
    store_low(bytes, v);
    std::memcpy(y + part.begin, bytes + part.begin, static_cast<size_t>(part.end - part.begin));
  }
  static ICEPOINT_INLINE void store_high(uint8_t* y, Reg v, Part part) {
    uint8_t bytes[8];
    store_high(bytes, v);
    std::memcpy(y + part.begin, bytes + part.begin, static_cast<size_t>(part.end - part.begin));
  }

  /// Products are unsigned here: acc + 2^31 takes acc's place, and 2^31 multiplier is taken off the
  /// offset, modulo 2^64. SSE2 shifts all lanes alike: a shift by `n` is a product with 2^(31-n).
  struct Scale {
    Reg multiplier, odd_multiplier, even_offset, odd_offset, tail;
    ICEPOINT_INLINE Scale(Reg m, Reg even, Reg odd, Reg power)
        : multiplier(m), odd_multiplier(odd_to_even(m)), even_offset(even), odd_offset(odd), tail(power) {}
  };
  static constexpr uint64_t scale_offset(uint32_t multiplier, uint64_t offset) {
    return offset - (uint64_t{multiplier} << 31);
  }
  static constexpr uint32_t scale_tail(int32_t shift) {
    return uint32_t{1} << (63 - shift);
  }
  /// max(code, 0), for which there is no signed product.
  static ICEPOINT_INLINE Reg requantize(Reg acc, const Scale& s) {
    const Reg x = acc + 0x80000000u;
    Reg high = high_halves(mul_even(x, s.multiplier) + (U64)s.even_offset,
                           mul_even(odd_to_even(x), s.odd_multiplier) + (U64)s.odd_offset);
    high &= (Reg)((I32)high > 0);
    // 2 high < 2^32 times 2^(63-shift) <= 2^31, and the upper half of that.
    const Reg twice = high << 1;
    return high_halves(mul_even(twice, s.tail), mul_even(odd_to_even(twice), odd_to_even(s.tail)));
  }
  /// Lanes 1 and 3 in the places of 0 and 2.
  static ICEPOINT_INLINE Reg odd_to_even(Reg v) {
    return __builtin_shufflevector(v, v, 1, 1, 3, 3);
  }
  /// The upper 32 bits of even[0], odd[0], even[1], odd[1].
  static ICEPOINT_INLINE Reg high_halves(U64 even, U64 odd) {
    return __builtin_shufflevector((Reg)even, (Reg)odd, 1, 5, 3, 7);
  }
};

}  // namespace icepoint::portable
