// Whole vectors of codes and of floats in the avx2 table. Included inside its target region.
//
// The members are those of avx512vnni/codes.h.
#pragma once

#include "kernels/avx2/vec.h"
#include "kernels/wide/short_copy.h"

namespace icepoint::avx2 {

struct Codes : Vec {
  static constexpr int kBytes = 32;

  static ICEPOINT_INLINE void store_first(uint8_t* y, Reg v, int64_t n) {
    uint8_t bytes[kBytes];
    store(bytes, v);
    wide::short_copy<Vec, kBytes>(y, bytes, n);
  }

  static ICEPOINT_INLINE Reg zip_low8(Reg a, Reg b) { return _mm256_unpacklo_epi8(a, b); }
  static ICEPOINT_INLINE Reg zip_high8(Reg a, Reg b) { return _mm256_unpackhi_epi8(a, b); }

  static ICEPOINT_INLINE Reg even8(Reg v) { return _mm256_and_si256(v, splat16(255)); }
  static ICEPOINT_INLINE Reg odd8(Reg v) { return _mm256_srli_epi16(v, 8); }
  static ICEPOINT_INLINE Reg join8(Reg even, Reg odd) {
    return _mm256_or_si256(even, _mm256_slli_epi16(odd, 8));
  }
  static ICEPOINT_INLINE Reg add16(Reg a, Reg b) { return _mm256_add_epi16(a, b); }
  static ICEPOINT_INLINE Reg xor8(Reg a, Reg b) { return _mm256_xor_si256(a, b); }

  static ICEPOINT_INLINE void store_three_of_four(uint8_t* y, Reg v) {
    const Reg of_16 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    const Reg together = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
    v = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(v, of_16), together);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_castsi256_si128(v));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(y + 16), _mm256_extracti128_si256(v, 1));
  }
  struct Shifts {
    Reg count;
    Shifts() = default;
    ICEPOINT_INLINE explicit Shifts(const int32_t* counts) : count(load(counts)) {}
  };
  static ICEPOINT_INLINE Reg shift_right(Reg v, const Shifts& s) { return _mm256_srav_epi32(v, s.count); }

  static ICEPOINT_INLINE Reg in_order(Reg v) {
    return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }

  class Quotient {
   public:
    ICEPOINT_INLINE explicit Quotient(float scale) : scale_(_mm256_set1_ps(scale)) {}
    ICEPOINT_INLINE Reg operator()(const float* x) const { return round(_mm256_loadu_ps(x)); }
    ICEPOINT_INLINE Reg operator()(const float* x, int64_t n) const {
      const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
      return round(_mm256_maskload_ps(x, _mm256_cmpgt_epi32(splat32(static_cast<int>(n)), lane)));
    }

   private:
    static constexpr float kFar = 65536;

    ICEPOINT_INLINE Reg round(__m256 x) const {
      __m256 q = _mm256_div_ps(x, scale_);
      q = _mm256_and_ps(q, _mm256_cmp_ps(q, q, _CMP_ORD_Q));
      q = _mm256_max_ps(_mm256_min_ps(q, _mm256_set1_ps(kFar)), _mm256_set1_ps(-kFar));
      return _mm256_cvtps_epi32(q);
    }

    __m256 scale_;
  };
};

}  // namespace icepoint::avx2
