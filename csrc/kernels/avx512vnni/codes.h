// Whole vectors of codes and of floats in the avx512vnni table. Included inside its target region.
//
// Every table's Codes has the same members, and wide/ is written over them.
#pragma once

#include "kernels/avx512vnni/vec.h"

namespace icepoint::avx512vnni {

struct Codes : Vec {
  static constexpr int kBytes = 64;

  /// Bytes 0..n - 1 of v alone, n < kBytes; no other byte is touched.
  static ICEPOINT_INLINE void store_first(uint8_t* y, Reg v, int64_t n) {
    _mm512_mask_storeu_epi8(y, (uint64_t{1} << n) - 1, v);
  }

  /// (a0, b0, a1, b1, ...) of the lower and of the upper half of every 16 bytes.
  static ICEPOINT_INLINE Reg zip_low8(Reg a, Reg b) { return _mm512_unpacklo_epi8(a, b); }
  static ICEPOINT_INLINE Reg zip_high8(Reg a, Reg b) { return _mm512_unpackhi_epi8(a, b); }

  // A vector of bytes as two of uint16: bytes 0, 2, 4, ... and bytes 1, 3, 5, ...; and together again.
  static ICEPOINT_INLINE Reg even8(Reg v) { return _mm512_and_si512(v, splat16(255)); }
  static ICEPOINT_INLINE Reg odd8(Reg v) { return _mm512_srli_epi16(v, 8); }
  static ICEPOINT_INLINE Reg join8(Reg even, Reg odd) {
    return _mm512_or_si512(even, _mm512_slli_epi16(odd, 8));
  }
  static ICEPOINT_INLINE Reg add16(Reg a, Reg b) { return _mm512_add_epi16(a, b); }
  static ICEPOINT_INLINE Reg xor8(Reg a, Reg b) { return _mm512_xor_si512(a, b); }

  /// The first three bytes of every lane, side by side: 3 kLanes bytes and no other.
  static ICEPOINT_INLINE void store_three_of_four(uint8_t* y, Reg v) {
    const Reg of_16 =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    const Reg together = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
    _mm512_mask_storeu_epi32(y, 0xfff, _mm512_permutexvar_epi32(together, _mm512_shuffle_epi8(v, of_16)));
  }
  /// int32 lanes to the right, each by its own 1..30.
  struct Shifts {
    Reg count;
    Shifts() = default;
    ICEPOINT_INLINE explicit Shifts(const int32_t* counts) : count(load(counts)) {}
  };
  static ICEPOINT_INLINE Reg shift_right(Reg v, const Shifts& s) { return _mm512_srav_epi32(v, s.count); }

  /// The bytes of pack8(pack16(a, b), pack16(c, d)) in the order a, b, c, d.
  static ICEPOINT_INLINE Reg in_order(Reg v) {
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
                                    v);
  }

  /// rne(x / scale) of kLanes floats, or of the first n: the IEEE quotient, to the last bit.
  class Quotient {
   public:
    ICEPOINT_INLINE explicit Quotient(float scale)
        : scale_(_mm512_set1_ps(scale)),
          reciprocal_(_mm512_set1_ps(1 / scale)),
          far_(_mm512_set1_ps(kFar * scale)) {}
    ICEPOINT_INLINE Reg operator()(const float* x) const { return round(_mm512_loadu_ps(x)); }
    ICEPOINT_INLINE Reg operator()(const float* x, int64_t n) const {
      return round(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), x));
    }

   private:
    // No code is that far from its zero point: what lies beyond is clamped, infinities too.
    static constexpr float kFar = 65536;

    ICEPOINT_INLINE Reg round(__m512 x) const {
      // NaN becomes 0, so that its code is the zero point.
      x = _mm512_maskz_min_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x, far_);
      x = _mm512_max_ps(x, _mm512_sub_ps(_mm512_setzero_ps(), far_));
      // x / scale without the slow division (16 cycles for what takes 3 here). x reciprocal is within two
      // units of the quotient's last place. A step q + (x - q scale) reciprocal, whose remainder a fused
      // multiply-add has whole, brings q to one of the two floats around the quotient, and one more step
      // to the nearest, for the reciprocal itself was rounded to nearest (Markstein 1990). The remainder
      // is whole down to 2^-149: a scale is at least 2^-100, and a quotient below 1/4 gives 0 anyhow.
      __m512 q = _mm512_mul_ps(x, reciprocal_);
      q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale_, x), reciprocal_, q);
      q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale_, x), reciprocal_, q);
      return _mm512_cvtps_epi32(q);
    }

    __m512 scale_, reciprocal_, far_;
  };
};

}  // namespace icepoint::avx512vnni
