// The vector of the avx512vnni table: 16 lanes of 32 bits. Included inside its target region.
//
// Every table's Vec has the same members, and wide/ is written over them. "Bytes k" are four neighbours
// of the reduction: x has them as uint8, a lane's weights lie beside each other.
#pragma once

namespace icepoint::avx512vnni {

struct Vec {
  static constexpr int kLanes = 16;
  using Reg = __m512i;

  static ICEPOINT_INLINE Reg zero() { return _mm512_setzero_si512(); }
  static ICEPOINT_INLINE Reg load(const void* p) { return _mm512_loadu_si512(p); }
  static ICEPOINT_INLINE void store(void* p, Reg v) { _mm512_storeu_si512(p, v); }
  static ICEPOINT_INLINE Reg splat8(int v) { return _mm512_set1_epi8(static_cast<char>(v)); }
  static ICEPOINT_INLINE Reg splat16(int v) { return _mm512_set1_epi16(static_cast<int16_t>(v)); }
  static ICEPOINT_INLINE Reg splat32(int v) { return _mm512_set1_epi32(v); }

  // int32 lanes
  static ICEPOINT_INLINE Reg add32(Reg a, Reg b) { return _mm512_add_epi32(a, b); }
  static ICEPOINT_INLINE Reg sub32(Reg a, Reg b) { return _mm512_sub_epi32(a, b); }
  static ICEPOINT_INLINE Reg max32(Reg a, Reg b) { return _mm512_max_epi32(a, b); }
  static ICEPOINT_INLINE Reg min32(Reg a, Reg b) { return _mm512_min_epi32(a, b); }
  static ICEPOINT_INLINE Reg mul32(Reg a, Reg b) { return _mm512_mullo_epi32(a, b); }
  template <int n>
  static ICEPOINT_INLINE Reg shl32(Reg a) {
    return _mm512_slli_epi32(a, n);
  }
  template <int n>
  static ICEPOINT_INLINE Reg sra32(Reg a) {
    return _mm512_srai_epi32(a, n);
  }
  static ICEPOINT_INLINE Reg sra32(Reg a, int n) { return _mm512_sra_epi32(a, _mm_cvtsi32_si128(n)); }

  // int16 lanes
  static ICEPOINT_INLINE Reg add16(Reg a, Reg b) { return _mm512_add_epi16(a, b); }
  static ICEPOINT_INLINE Reg sub16(Reg a, Reg b) { return _mm512_sub_epi16(a, b); }
  template <int n>
  static ICEPOINT_INLINE Reg shl16(Reg a) {
    return _mm512_slli_epi16(a, n);
  }
  static ICEPOINT_INLINE Reg adds16(Reg a, Reg b) { return _mm512_adds_epi16(a, b); }
  static ICEPOINT_INLINE Reg max16(Reg a, Reg b) { return _mm512_max_epi16(a, b); }
  static ICEPOINT_INLINE Reg min16(Reg a, Reg b) { return _mm512_min_epi16(a, b); }
  /// acc + a[2i] b[2i] + a[2i+1] b[2i+1] in lane i.
  static ICEPOINT_INLINE Reg dot16(Reg acc, Reg a, Reg b) { return _mm512_dpwssd_epi32(acc, a, b); }
  /// (a0, b0, a1, b1, ...) of the lower and of the upper half of every 16 bytes.
  static ICEPOINT_INLINE Reg zip_low16(Reg a, Reg b) { return _mm512_unpacklo_epi16(a, b); }
  static ICEPOINT_INLINE Reg zip_high16(Reg a, Reg b) { return _mm512_unpackhi_epi16(a, b); }
  /// 2 kLanes bytes as int16.
  static ICEPOINT_INLINE Reg load_u8_as_16(const uint8_t* p) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }

  // uint8 lanes
  static ICEPOINT_INLINE Reg max8(Reg a, Reg b) { return _mm512_max_epu8(a, b); }
  static ICEPOINT_INLINE Reg min8(Reg a, Reg b) { return _mm512_min_epu8(a, b); }

  // Saturating packs, 16 bytes by 16 bytes: there a's lanes come before b's.
  static ICEPOINT_INLINE Reg pack16(Reg a, Reg b) { return _mm512_packs_epi32(a, b); }
  static ICEPOINT_INLINE Reg pack8(Reg a, Reg b) { return _mm512_packus_epi16(a, b); }
  /// What pack8 mixed: all that came from a, then all that came from b.
  static ICEPOINT_INLINE Reg unmix(Reg v) {
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), v);
  }

  // Half a vector of codes: 2 kLanes bytes.
  static ICEPOINT_INLINE void store_low(uint8_t* y, Reg v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_castsi512_si256(v));
  }
  static ICEPOINT_INLINE void store_high(uint8_t* y, Reg v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_extracti64x4_epi64(v, 1));
  }
  /// Bytes begin..end of a half alone; the others are not touched.
  struct Part {
    __mmask32 mask;
    Part(int begin, int end) : mask(static_cast<__mmask32>((uint64_t{1} << end) - (uint64_t{1} << begin))) {}
  };
  static ICEPOINT_INLINE void store_low(uint8_t* y, Reg v, Part part) {
    _mm256_mask_storeu_epi8(y, part.mask, _mm512_castsi512_si256(v));
  }
  static ICEPOINT_INLINE void store_high(uint8_t* y, Reg v, Part part) {
    _mm256_mask_storeu_epi8(y, part.mask, _mm512_extracti64x4_epi64(v, 1));
  }

  /// (acc multiplier >> 32) + offset >> tail. Products have 64 bits: of the even lanes, of the odd ones.
  struct Scale {
    Reg even_multiplier, odd_multiplier, offset, tail;
    ICEPOINT_INLINE Scale(Reg multiplier, Reg even, Reg odd, Reg shift)
        : even_multiplier(multiplier),
          odd_multiplier(_mm512_srli_epi64(multiplier, 32)),
          offset(upper_halves(even, odd)),
          tail(shift) {}
  };
  static constexpr uint64_t scale_offset(uint32_t, uint64_t offset) { return offset; }
  static constexpr uint32_t scale_tail(int32_t shift) { return static_cast<uint32_t>(shift - 32); }
  static ICEPOINT_INLINE Reg requantize(Reg acc, const Scale& s) {
    const Reg even = _mm512_mul_epi32(acc, s.even_multiplier);
    const Reg odd = _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), s.odd_multiplier);
    return _mm512_srav_epi32(add32(upper_halves(even, odd), s.offset), s.tail);
  }
  /// Of 64 bits each: odd ones are in their lanes, even ones move down.
  static ICEPOINT_INLINE Reg upper_halves(Reg even, Reg odd) {
    return _mm512_mask_shuffle_epi32(odd, 0x5555, even, static_cast<_MM_PERM_ENUM>(0xf5));
  }

  /// Four bytes of x in every lane.
  using X = Reg;
  static ICEPOINT_INLINE X splat_x(const uint8_t* x) {
    int32_t four;
    std::memcpy(&four, x, sizeof(four));
    return _mm512_set1_epi32(four);
  }
  /// Four weights in every lane.
  using W = Reg;
  static ICEPOINT_INLINE Reg dot(Reg acc, X x, W w) { return _mm512_dpbusd_epi32(acc, x, w); }
  /// acc = dot(acc, x, w) and acc = dot16(acc, a, b) in place: around the intrinsics GCC 12 moves every sum
  /// to another register and back, two instructions more for each product.
  static ICEPOINT_INLINE void add_dot(Reg& acc, X x, W w) {
    __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
  }
  static ICEPOINT_INLINE void add_dot16(Reg& acc, Reg a, Reg b) {
    __asm__ volatile("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
  }

  /// How weights lie in memory: `kBytes` hold `kSteps` times four weights for every lane.
  struct Bytes {
    static constexpr int kSteps = 1, kBytes = 64;
    ICEPOINT_INLINE explicit Bytes(const int8_t*) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      return load(w);
    }
    static void put(uint8_t* w, int lane, int, const int16_t* four, int) {
      for (int j = 0; j < 4; ++j) w[4 * lane + j] = static_cast<uint8_t>(four[j]);
    }
  };
  /// Other tables have a second form, with half the memory.
  static constexpr bool kStreams = false;
  using Streamed = Bytes;
  /// Two steps to a byte, each with the lane's offset added: 0..15.
  struct Nibbles {
    static constexpr int kSteps = 2, kBytes = 64;
    Reg offset;
    ICEPOINT_INLINE explicit Nibbles(const int8_t* offsets) : offset(load(offsets)) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      const Reg both = load(w);
      const Reg bits = _mm512_and_si512(step == 0 ? both : _mm512_srli_epi16(both, 4), splat8(15));
      return _mm512_sub_epi8(bits, offset);
    }
    static void put(uint8_t* w, int lane, int step, const int16_t* four, int offset) {
      for (int j = 0; j < 4; ++j) w[4 * lane + j] |= static_cast<uint8_t>((four[j] + offset) << (4 * step));
    }
  };
  /// Weights beyond a byte: the upper eight bits of nine, then the lowest one, in two rounds.
  static constexpr bool kTwoRounds = true;

  /// Pairs of vectors in a panel of output channels, and pixels that meet `pairs` of them in registers.
  /// 32 registers: 28 sums, two of weights, one of x.
  static constexpr int kPanelPairs = 1;
  static constexpr int max_pixels(int) { return 14; }
  /// Whether registers are enough to make codes from a block's sums without storing them.
  static constexpr bool kCodesInRegisters = true;
  /// The same value as a new one: GCC 12 gives a loop's sum one place for its whole life, and where the code
  /// behind the loop is short of registers that is memory, in every step.
  static ICEPOINT_INLINE Reg rehoused(Reg v) {
    __asm__("" : "+v"(v));
    return v;
  }

  // Quarters: a few channels of four pixels side by side.
  /// The first quarter in every quarter.
  static ICEPOINT_INLINE Reg spread(Reg v) { return _mm512_shuffle_i32x4(v, v, 0); }
  static ICEPOINT_INLINE Scale spread(const Scale& s) {
    Scale four = s;
    for (Reg* part : {&four.even_multiplier, &four.odd_multiplier, &four.offset, &four.tail})
      *part = spread(*part);
    return four;
  }
  /// Four bytes of x to each quarter, from x, x + step, ...: of 16 neighbours where step is at most 4.
  struct Apart {
    int64_t step;
    ICEPOINT_INLINE X operator()(const uint8_t* x) const {
      const auto four = [&](int64_t i) ICEPOINT_ALWAYS_INLINE {
        int32_t bytes;
        std::memcpy(&bytes, x + i * step, sizeof(bytes));
        return bytes;
      };
      const Reg two = _mm512_mask_set1_epi32(_mm512_set1_epi32(four(0)), 0x00f0, four(1));
      return _mm512_mask_set1_epi32(_mm512_mask_set1_epi32(two, 0x0f00, four(2)), 0xf000, four(3));
    }
  };
  struct Near {  // takes 16 bytes where 3 step + 4 are needed: kSlack
    static constexpr int64_t kMostStep = 4;
    Reg places;
    ICEPOINT_INLINE explicit Near(int64_t step) {
      const Reg quarter = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
      places = add32(splat32(0x03020100), mul32(quarter, splat32(static_cast<int>(step) * 0x01010101)));
    }
    ICEPOINT_INLINE X operator()(const uint8_t* x) const {
      const __m128i near = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
      return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(near), places);
    }
  };
  /// The lower half of every quarter, n of its 8 bytes, to y, y + step, ...
  static ICEPOINT_INLINE void store_quarters(uint8_t* y, int64_t step, Reg v, int n) {
    uint8_t bytes[64];
    store(bytes, v);
    for (int i = 0; i < 4; ++i, y += step) {
      if (n == 8)
        std::memcpy(y, bytes + 16 * i, 8);
      else
        std::memcpy(y, bytes + 16 * i, static_cast<size_t>(n));
    }
  }

  /// Pixels between two turns of the epilogue; even.
  static constexpr int kBlock = 14;
};

}  // namespace icepoint::avx512vnni
