// From accumulators to codes, four channels at once: exact, with 32-bit products only.
#pragma once

#include "kernels/kernels.h"
#include "kernels/portable/vec.h"

namespace icepoint::portable {

/// One multiplier and shift of each of four channels. Every shift is 32 or more.
///
/// With T = acc multiplier + 2^(shift-1) + zero_point 2^shift, the code is floor(T / 2^shift), that is
/// floor(floor(T / 2^32) / 2^(shift-32)). The products are unsigned: acc + 2^31 takes acc's place, and
/// 2^31 multiplier is taken off the constant, modulo 2^64. T itself fits: abs(acc multiplier) < 2^62 and
/// 2^53 + 255 * 2^54 < 2^62.
class Requant4 {
 public:
  Requant4(const int32_t* multiplier, const int32_t* shift, int32_t zero_point) {
    uint64_t offset[4];
    for (int i = 0; i < 4; ++i) {
      multiplier_[i] = static_cast<uint32_t>(multiplier[i]);
      offset[i] = (uint64_t{1} << (shift[i] - 1)) + (static_cast<uint64_t>(zero_point) << shift[i]) -
                  (uint64_t{multiplier_[i]} << 31);
      scale_[i] = uint32_t{1} << (63 - shift[i]);
    }
    even_offset_ = U64x2{offset[0], offset[2]};
    odd_offset_ = U64x2{offset[1], offset[3]};
  }

  static constexpr int32_t kLeastShift = 32;

  static bool possible(const int32_t* shift) {
    return std::min(std::min(shift[0], shift[1]), std::min(shift[2], shift[3])) >= kLeastShift;
  }

  static Requant4 same(int32_t multiplier, int32_t shift, int32_t zero_point) {
    const int32_t multipliers[4] = {multiplier, multiplier, multiplier, multiplier};
    const int32_t shifts[4] = {shift, shift, shift, shift};
    return {multipliers, shifts, zero_point};
  }

  /// max(code, 0) of each channel, not yet clamped to lo..hi.
  I32x4 operator()(U32x4 acc) const {
    const U32x4 x = acc + 0x80000000u;
    I32x4 high = (I32x4)high_halves(mul_even(x, multiplier_) + even_offset_,
                                    mul_even(odd_to_even(x), odd_to_even(multiplier_)) + odd_offset_);
    high &= high > 0;
    // SSE2 shifts all lanes alike. 2 high < 2^32 times 2^(63-shift) <= 2^31, and the upper half of that.
    const U32x4 twice = (U32x4)high << 1;
    return (I32x4)high_halves(mul_even(twice, scale_), mul_even(odd_to_even(twice), odd_to_even(scale_)));
  }

 private:
  U32x4 multiplier_{}, scale_{};
  U64x2 even_offset_, odd_offset_;
};

/// Rows r < rows of y, y_step apart from y[index] on: Q(acc[r * acc_step + i]) of channel first + i for
/// i < n, or the accumulator itself where q is null.
void store_rows(const Requant* q, const uint32_t* acc, int64_t acc_step, int64_t rows, int64_t first,
                int64_t n, void* y, int64_t index, int64_t y_step);

}  // namespace icepoint::portable
