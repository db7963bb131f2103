// The overflow proof: what an int32 accumulator can reach for the worst input.
#pragma once

#include <algorithm>
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
  int64_t total = 0, magnitude = 0;
  // Blocks whose int32 sums cannot overflow (2^16 * 255 < 2^31): a loop that vectorizes, for a large network
  // has 10^8 weights to prove.
  constexpr int64_t kBlock = int64_t{1} << 16;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    int32_t sum = 0, size = 0;
    for (int64_t k = begin; k < std::min(count, begin + kBlock); ++k) {
      sum += weight[k];
      size += std::abs(int32_t{weight[k]});
    }
    total += sum, magnitude += size;
  }
  const int64_t positive = (magnitude + total) / 2, negative = (magnitude - total) / 2;
  const int64_t above = qmax - x_zero_point, below = x_zero_point;
  return {bias - positive * below - negative * above, bias + positive * above + negative * below};
}

}  // namespace icepoint
