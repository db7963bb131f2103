// The overflow proof: what an int32 accumulator can reach for the worst input.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <limits>

namespace icepoint {

/// Least and greatest value of an accumulator over every input in 0..qmax.
struct Bounds {
  int64_t lo = 0, hi = 0;
  bool operator==(const Bounds&) const = default;
  bool fits_int32() const {
    return lo >= std::numeric_limits<int32_t>::min() && hi <= std::numeric_limits<int32_t>::max();
  }
};

/// Bounds of bias + sum_k (x_k - zx) w'_k over `count` centred weights w' = w - zw in -255..255.
/// The proof asks that both this and accumulate_bounds(..., 0, ...) fit int32: then every partial
/// sum, in any order and from either start, fits too. count < 2^40 keeps int64 exact.
inline Bounds accumulate_bounds(const int16_t* weight, int64_t count, int32_t bias, int32_t x_zero_point,
                                int32_t qmax) {
  int64_t positive = 0, negative = 0;  // sum max(w', 0), sum max(-w', 0)
  for (int64_t k = 0; k < count; ++k) (weight[k] > 0 ? positive : negative) += std::abs(weight[k]);
  const int64_t above = qmax - x_zero_point, below = x_zero_point;
  return {bias - positive * below - negative * above, bias + positive * above + negative * below};
}

}  // namespace icepoint
