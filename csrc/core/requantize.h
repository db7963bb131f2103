// From an int32 accumulator to an output code: the one rounding rule of every operator.
#pragma once

#include <algorithm>
#include <cstdint>

namespace icepoint {

/// floor((acc * multiplier + 2^(shift-1)) / 2^shift): rounds half up. 2 <= shift <= 54.
/// acc * multiplier < 2^62 and the rounding term <= 2^53, so int64 never overflows.
/// This is TOSA RESCALE with single rounding and TFLite's TFLITE_SINGLE_ROUNDING.
inline int64_t requantize(int32_t acc, int32_t multiplier, int32_t shift) {
  return (int64_t{acc} * multiplier + (int64_t{1} << (shift - 1))) >> shift;
}

/// clamp(zero_point + requantize(acc), lo, hi), all in 64 bits, so no range check is needed.
inline int32_t requantize_clamp(int32_t acc, int32_t multiplier, int32_t shift, int32_t zero_point,
                                int32_t lo, int32_t hi) {
  const int64_t code = zero_point + requantize(acc, multiplier, shift);
  return static_cast<int32_t>(std::clamp<int64_t>(code, lo, hi));
}

}  // namespace icepoint
