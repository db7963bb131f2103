// Whole vectors of codes and of floats in the portable table.
//
// The members are those of avx512vnni/codes.h. Codes are little-endian: byte 0 of a lane is its lowest.
#pragma once

#include "kernels/portable/vec.h"
#include "kernels/wide/short_copy.h"

namespace icepoint::portable {

struct Codes : Vec {
  static constexpr int kBytes = 16;
  using F32 = float __attribute__((vector_size(16)));

  static ICEPOINT_INLINE void store_first(uint8_t* y, Reg v, int64_t n) {
    uint8_t bytes[kBytes];
    store(bytes, v);
    wide::short_copy<Vec, kBytes>(y, bytes, n);
  }

  static ICEPOINT_INLINE Reg zip_low8(Reg a, Reg b) {
    return (Reg)__builtin_shufflevector((U8)a, (U8)b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  }
  static ICEPOINT_INLINE Reg zip_high8(Reg a, Reg b) {
    return (Reg)__builtin_shufflevector((U8)a, (U8)b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30,
                                        15, 31);
  }

  static ICEPOINT_INLINE Reg even8(Reg v) { return v & 0x00ff00ffu; }
  static ICEPOINT_INLINE Reg odd8(Reg v) { return (Reg)((U16)v >> 8); }
  static ICEPOINT_INLINE Reg join8(Reg even, Reg odd) { return even | odd << 8; }
  static ICEPOINT_INLINE Reg add16(Reg a, Reg b) { return (Reg)((U16)a + (U16)b); }
  static ICEPOINT_INLINE Reg xor8(Reg a, Reg b) { return a ^ b; }

  static ICEPOINT_INLINE Reg in_order(Reg v) { return v; }

  /// Two lanes at a time: their fourth bytes go, and what is left moves together.
  static ICEPOINT_INLINE void store_three_of_four(uint8_t* y, Reg v) {
    const U64 six = ((U64)v & 0xffffff) | ((U64)v >> 8 & 0xffffff000000);
    const uint64_t low = six[0] | six[1] << 48;
    const uint32_t high = static_cast<uint32_t>(six[1] >> 16);
    std::memcpy(y, &low, sizeof(low));
    std::memcpy(y + sizeof(low), &high, sizeof(high));
  }
  /// SSE2 shifts all lanes alike. v + 2^31 is unsigned, and a shift by `n` the upper half of its product
  /// with 2^(32-n).
  struct Shifts {
    Reg power, back;
    Shifts() = default;
    ICEPOINT_INLINE explicit Shifts(const int32_t* counts) {
      for (int lane = 0; lane < kLanes; ++lane)
        power[lane] = 1u << (32 - counts[lane]), back[lane] = 1u << (31 - counts[lane]);
    }
  };
  static ICEPOINT_INLINE Reg shift_right(Reg v, const Shifts& s) {
    v += 0x80000000u;
    return high_halves(mul_even(v, s.power), mul_even(odd_to_even(v), odd_to_even(s.power))) - s.back;
  }

  class Quotient {
   public:
    ICEPOINT_INLINE explicit Quotient(float scale) : scale_(scale) {}
    ICEPOINT_INLINE Reg operator()(const float* x) const { return (*this)(x, kLanes); }
    ICEPOINT_INLINE Reg operator()(const float* x, int64_t n) const {
      F32 q{};
      std::memcpy(&q, x, static_cast<size_t>(n) * sizeof(float));
      q /= scale_;
      q = q == q ? q : F32{};
      const F32 far = F32{} + 65536.0f;
      q = q < far ? q : far;
      q = q > -far ? q : -far;
      // 2^23 + 2^22: in its binade floats are the integers, so adding it rounds to the nearest one, ties to
      // even, for every abs(q) < 2^21.
      return (Reg) __builtin_convertvector((q + 12582912.0f) - 12582912.0f, I32);
    }

   private:
    float scale_;
  };
};

}  // namespace icepoint::portable
