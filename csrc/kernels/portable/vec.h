// The vector of the portable table: 4 lanes of 32 bits, with SSE2 or with GCC's vectors alone.
//
// The members are those of avx512vnni/vec.h. Bytes become int16 first, as in avx2/vec.h. Lanes are
// unsigned: a partial sum may wrap in two's complement, the final int32 cannot.
#pragma once

#include "kernels/wide/prelude.h"

namespace icepoint::portable {

struct Vec {
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

  /// Four bytes of x in every lane, as int16: 0 and 2, 1 and 3.
  struct X {
    Reg even, odd;
  };
  static ICEPOINT_INLINE X splat_x(const uint8_t* x) {
    uint32_t four;
    std::memcpy(&four, x, sizeof(four));
    const Reg bytes = Reg{} + four;
    return {bytes & 0x00ff00ffu, (Reg)((U16)bytes >> 8)};
  }
  /// Four weights in every lane, paired alike.
  struct W {
    Reg even, odd;
  };
  static ICEPOINT_INLINE Reg dot(Reg acc, const X& x, const W& w) {
    return dot16(dot16(acc, x.even, w.even), x.odd, w.odd);
  }
  static ICEPOINT_INLINE void add_dot(Reg& acc, const X& x, const W& w) {
    acc = dot(acc, x, w);
  }
  static ICEPOINT_INLINE void add_dot16(Reg& acc, Reg a, Reg b) {
    acc = dot16(acc, a, b);
  }

  /// How weights lie in memory: `kBytes` hold `kSteps` times four weights for every lane; as int16.
  struct Bytes {
    static constexpr int kSteps = 1, kBytes = 32;
    ICEPOINT_INLINE explicit Bytes(const int8_t*) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      return {load(w), load(w + 16)};
    }
    static void put(uint8_t* w, int lane, int, const int16_t* four, int) {
      const int16_t even[2] = {four[0], four[2]}, odd[2] = {four[1], four[3]};
      std::memcpy(w + 4 * lane, even, sizeof(even));
      std::memcpy(w + 16 + 4 * lane, odd, sizeof(odd));
    }
  };
  /// Two steps to a byte, each with the lane's offset added: 0..15.
  struct Nibbles {
    static constexpr int kSteps = 2, kBytes = 16;
    Reg offset;
    ICEPOINT_INLINE explicit Nibbles(const int8_t* offsets) : offset(load(offsets) & 0x00ff00ffu) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      const Reg both = load(w) >> (4 * step);  // what comes down from the next pair is masked away
      const U16 even = (U16)(both & 0x000f000fu), odd = (U16)(both >> 8 & 0x000f000fu);
      return {(Reg)(even - (U16)offset), (Reg)(odd - (U16)offset)};
    }
    static void put(uint8_t* w, int lane, int step, const int16_t* four, int offset) {
      for (int j = 0; j < 4; ++j) w[4 * lane + j] |= static_cast<uint8_t>((four[j] + offset) << (4 * step));
    }
  };
  /// int16 holds weights beyond a byte.
  static constexpr bool kTwoRounds = false;

  /// Pairs of vectors in a panel of output channels, and pixels that meet `pairs` of them in registers.
  /// 16 registers: 8 sums, two of x, the weights and a product.
  static constexpr int kPanelPairs = 2;
  static constexpr int max_pixels(int pairs) {
    return pairs == 2 ? 2 : 4;
  }
  /// Whether registers are enough to make codes from a block's sums without storing them.
  static constexpr bool kCodesInRegisters = false;
  /// Pixels between two turns of the epilogue; even.
  static constexpr int kBlock = 12;
};

}  // namespace icepoint::portable
