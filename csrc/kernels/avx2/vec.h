// The vector of the avx2 table: 8 lanes of 32 bits. Included inside its target region.
//
// The members are those of avx512vnni/vec.h. vpmaddubsw would saturate, so bytes become int16 first and
// vpmaddwd adds their products exactly: bytes 0 and 2 of four as one pair of int16, 1 and 3 as the other.
#pragma once

namespace icepoint::avx2 {

struct Vec {
  static constexpr int kLanes = 8;
  using Reg = __m256i;

  static ICEPOINT_INLINE Reg zero() { return _mm256_setzero_si256(); }
  static ICEPOINT_INLINE Reg load(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  static ICEPOINT_INLINE void store(void* p, Reg v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static ICEPOINT_INLINE Reg splat8(int v) { return _mm256_set1_epi8(static_cast<char>(v)); }
  static ICEPOINT_INLINE Reg splat16(int v) { return _mm256_set1_epi16(static_cast<int16_t>(v)); }
  static ICEPOINT_INLINE Reg splat32(int v) { return _mm256_set1_epi32(v); }

  // int32 lanes
  static ICEPOINT_INLINE Reg add32(Reg a, Reg b) { return _mm256_add_epi32(a, b); }
  static ICEPOINT_INLINE Reg sub32(Reg a, Reg b) { return _mm256_sub_epi32(a, b); }
  static ICEPOINT_INLINE Reg max32(Reg a, Reg b) { return _mm256_max_epi32(a, b); }
  static ICEPOINT_INLINE Reg min32(Reg a, Reg b) { return _mm256_min_epi32(a, b); }
  static ICEPOINT_INLINE Reg mul32(Reg a, Reg b) { return _mm256_mullo_epi32(a, b); }
  template <int n>
  static ICEPOINT_INLINE Reg shl32(Reg a) {
    return _mm256_slli_epi32(a, n);
  }
  template <int n>
  static ICEPOINT_INLINE Reg sra32(Reg a) {
    return _mm256_srai_epi32(a, n);
  }
  static ICEPOINT_INLINE Reg sra32(Reg a, int n) { return _mm256_sra_epi32(a, _mm_cvtsi32_si128(n)); }

  // int16 lanes
  static ICEPOINT_INLINE Reg add16(Reg a, Reg b) { return _mm256_add_epi16(a, b); }
  static ICEPOINT_INLINE Reg sub16(Reg a, Reg b) { return _mm256_sub_epi16(a, b); }
  template <int n>
  static ICEPOINT_INLINE Reg shl16(Reg a) {
    return _mm256_slli_epi16(a, n);
  }
  static ICEPOINT_INLINE Reg adds16(Reg a, Reg b) { return _mm256_adds_epi16(a, b); }
  static ICEPOINT_INLINE Reg max16(Reg a, Reg b) { return _mm256_max_epi16(a, b); }
  static ICEPOINT_INLINE Reg min16(Reg a, Reg b) { return _mm256_min_epi16(a, b); }
  /// acc + a[2i] b[2i] + a[2i+1] b[2i+1] in lane i.
  static ICEPOINT_INLINE Reg dot16(Reg acc, Reg a, Reg b) { return add32(acc, _mm256_madd_epi16(a, b)); }
  /// (a0, b0, a1, b1, ...) of the lower and of the upper half of every 16 bytes.
  static ICEPOINT_INLINE Reg zip_low16(Reg a, Reg b) { return _mm256_unpacklo_epi16(a, b); }
  static ICEPOINT_INLINE Reg zip_high16(Reg a, Reg b) { return _mm256_unpackhi_epi16(a, b); }
  /// 2 kLanes bytes as int16.
  static ICEPOINT_INLINE Reg load_u8_as_16(const uint8_t* p) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }

  // uint8 lanes
  static ICEPOINT_INLINE Reg max8(Reg a, Reg b) { return _mm256_max_epu8(a, b); }
  static ICEPOINT_INLINE Reg min8(Reg a, Reg b) { return _mm256_min_epu8(a, b); }

  // Saturating packs, 16 bytes by 16 bytes: there a's lanes come before b's.
  static ICEPOINT_INLINE Reg pack16(Reg a, Reg b) { return _mm256_packs_epi32(a, b); }
  static ICEPOINT_INLINE Reg pack8(Reg a, Reg b) { return _mm256_packus_epi16(a, b); }
  /// What pack8 mixed: all that came from a, then all that came from b.
  static ICEPOINT_INLINE Reg unmix(Reg v) { return _mm256_permute4x64_epi64(v, 0xd8); }

  // Half a vector of codes: 2 kLanes bytes.
  static ICEPOINT_INLINE void store_low(uint8_t* y, Reg v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_castsi256_si128(v));
  }
  static ICEPOINT_INLINE void store_high(uint8_t* y, Reg v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_extracti128_si256(v, 1));
  }
  /// Bytes begin..end of a half alone; the others are not touched.
  struct Part {
    int begin, end;
    Part(int from, int to) : begin(from), end(to) {}
  };
  static ICEPOINT_INLINE void store_low(uint8_t* y, Reg v, Part part) {
    uint8_t bytes[16];
    store_low(bytes, v);
    std::memcpy(y + part.begin, bytes + part.begin, static_cast<size_t>(part.end - part.begin));
  }
  static ICEPOINT_INLINE void store_high(uint8_t* y, Reg v, Part part) {
    uint8_t bytes[16];
    store_high(bytes, v);
    std::memcpy(y + part.begin, bytes + part.begin, static_cast<size_t>(part.end - part.begin));
  }

  /// (acc multiplier >> 32) + offset >> tail. Products have 64 bits: of the even lanes, of the odd ones.
  struct Scale {
    Reg even_multiplier, odd_multiplier, offset, tail;
    ICEPOINT_INLINE Scale(Reg multiplier, Reg even, Reg odd, Reg shift)
        : even_multiplier(multiplier),
          odd_multiplier(_mm256_srli_epi64(multiplier, 32)),
          offset(upper_halves(even, odd)),
          tail(shift) {}
  };
  static constexpr uint64_t scale_offset(uint32_t, uint64_t offset) { return offset; }
  static constexpr uint32_t scale_tail(int32_t shift) { return static_cast<uint32_t>(shift - 32); }
  static ICEPOINT_INLINE Reg requantize(Reg acc, const Scale& s) {
    const Reg even = _mm256_mul_epi32(acc, s.even_multiplier);
    const Reg odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), s.odd_multiplier);
    return _mm256_srav_epi32(add32(upper_halves(even, odd), s.offset), s.tail);
  }
  /// Of 64 bits each: odd ones are in their lanes, even ones move down.
  static ICEPOINT_INLINE Reg upper_halves(Reg even, Reg odd) {
    return _mm256_blend_epi32(_mm256_shuffle_epi32(even, 0xf5), odd, 0xaa);
  }

  /// Four bytes of x in every lane, as int16: 0 and 2, 1 and 3.
  struct X {
    Reg even, odd;
  };
  static ICEPOINT_INLINE X splat_x(const uint8_t* x) {
    int32_t four;
    std::memcpy(&four, x, sizeof(four));
    const Reg bytes = _mm256_set1_epi32(four);
    return {_mm256_and_si256(bytes, splat16(255)), _mm256_srli_epi16(bytes, 8)};
  }
  /// Four weights in every lane, paired alike.
  struct W {
    Reg even, odd;
  };
  static ICEPOINT_INLINE Reg dot(Reg acc, const X& x, const W& w) {
    return dot16(dot16(acc, x.even, w.even), x.odd, w.odd);
  }
  static ICEPOINT_INLINE void add_dot(Reg& acc, const X& x, const W& w) { acc = dot(acc, x, w); }
  static ICEPOINT_INLINE void add_dot16(Reg& acc, Reg a, Reg b) { acc = dot16(acc, a, b); }

  /// How weights lie in memory: `kBytes` hold `kSteps` times four weights for every lane; as int16.
  struct Bytes {
    static constexpr int kSteps = 1, kBytes = 64;
    ICEPOINT_INLINE explicit Bytes(const int8_t*) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      return {load(w), load(w + 32)};
    }
    static void put(uint8_t* w, int lane, int, const int16_t* four, int) {
      const int16_t even[2] = {four[0], four[2]}, odd[2] = {four[1], four[3]};
      std::memcpy(w + 4 * lane, even, sizeof(even));
      std::memcpy(w + 32 + 4 * lane, odd, sizeof(odd));
    }
  };
  /// The same weights as bytes, half the memory: for layers that wait for it.
  static constexpr bool kStreams = true;
  struct Streamed {
    static constexpr int kSteps = 1, kBytes = 32;
    ICEPOINT_INLINE explicit Streamed(const int8_t*) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      const Reg bytes = load(w);
      return {_mm256_srai_epi16(shl16<8>(bytes), 8), _mm256_srai_epi16(bytes, 8)};
    }
    static void put(uint8_t* w, int lane, int, const int16_t* four, int) {
      for (int j = 0; j < 4; ++j) w[4 * lane + j] = static_cast<uint8_t>(four[j]);
    }
  };
  /// Two steps to a byte, each with the lane's offset added: 0..15.
  struct Nibbles {
    static constexpr int kSteps = 2, kBytes = 32;
    Reg offset;
    ICEPOINT_INLINE explicit Nibbles(const int8_t* offsets)
        : offset(_mm256_and_si256(load(offsets), splat16(255))) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      const Reg both = load(w), bits = splat16(15);
      const Reg even = step == 0 ? both : _mm256_srli_epi16(both, 4);
      const Reg odd =
          step == 0 ? _mm256_and_si256(_mm256_srli_epi16(both, 8), bits) : _mm256_srli_epi16(both, 12);
      return {_mm256_sub_epi16(_mm256_and_si256(even, bits), offset), _mm256_sub_epi16(odd, offset)};
    }
    static void put(uint8_t* w, int lane, int step, const int16_t* four, int offset) {
      for (int j = 0; j < 4; ++j) w[4 * lane + j] |= static_cast<uint8_t>((four[j] + offset) << (4 * step));
    }
  };
  /// int16 holds weights beyond a byte.
  static constexpr bool kTwoRounds = false;

  /// Pairs of vectors in a panel of output channels, and pixels that meet `pairs` of them in registers.
  /// 16 registers: 12 sums, two of x; weights come from memory.
  static constexpr int kPanelPairs = 2;
  static constexpr int max_pixels(int pairs) { return pairs == 2 ? 3 : 6; }
  /// Whether registers are enough to make codes from a block's sums without storing them.
  static constexpr bool kCodesInRegisters = false;
  /// Pixels between two turns of the epilogue; even.
  static constexpr int kBlock = 12;
};

}  // namespace icepoint::avx2
