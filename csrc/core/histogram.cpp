// Extremes and bins in integers and exact doubles: no rounding, so nothing depends on the order of values.
#include "core/histogram.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <climits>
#include <cmath>

#include "core/float_env.h"

namespace icepoint {
namespace {

constexpr int64_t kBlock = 4096;  // values that are checked, then counted while they lie in the first cache

// Orders float32 as integers, -0 before 0, NaN beyond the infinities; its own inverse.
int32_t ordered(int32_t bits) {
  return bits ^ ((bits >> 31) & INT_MAX);
}

// Whether all of x lie in [least, greatest], both ordered(); adds to `zeros` how many are 0 or -0.
bool all_inside(const float* x, int64_t n, int32_t least, int32_t greatest, int64_t& zeros) {
  int32_t outside = 0, none = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<int32_t>(x[i]);
    const int32_t value = ordered(bits);
    outside |= (value < least) | (value > greatest);
    none += (bits & INT_MAX) == 0;
  }
  zeros += none;
  return outside == 0;
}

// Adds n values to the bins around `middle`.
void count(const float* x, int64_t n, double inverse_width, int64_t* middle) {
  for (int64_t i = 0; i < n; ++i) {
    // Exact in double: 24 bits, between 2^-266 and 2^277. A float product would flush tiny negative values to
    // -0, whose floor is 0 and not -1.
    const double y = static_cast<double>(x[i]) * inverse_width;
    const auto cut = static_cast<int32_t>(y);
    ++middle[cut - (static_cast<double>(cut) > y)];  // the conversion cuts off, floor goes down
  }
}

}  // namespace

void extremes(const Values& x, float* low, float* high) {
  const float* row = x.data;
  for (int64_t r = 0; r < x.images * x.channels; ++r, row += x.size) {
    int32_t least = INT_MAX, greatest = INT_MIN;
    for (int64_t i = 0; i < x.size; ++i) {
      const int32_t value = ordered(std::bit_cast<int32_t>(row[i]));
      least = std::min(least, value);
      greatest = std::max(greatest, value);
    }
    low[r] = std::bit_cast<float>(ordered(least));
    high[r] = std::bit_cast<float>(ordered(greatest));
  }
}

bool count_bins(const Values& x, const int32_t* exponents, int64_t side, int64_t* counts, int64_t* zeros) {
  const FloatEnv env;  // with denormals as zeros the smallest values would have other bins
  constexpr int32_t infinity = 0x7F800000;
  const float* row = x.data;
  for (int64_t r = 0; r < x.images * x.channels; ++r, row += x.size) {
    const int64_t c = r % x.channels;
    const double limit = std::ldexp(static_cast<double>(side), exponents[c]);
    const int32_t end = limit > FLT_MAX ? infinity : std::bit_cast<int32_t>(static_cast<float>(limit));
    const int32_t least = std::max(ordered(end | INT_MIN), ordered(infinity | INT_MIN) + 1);
    const double inverse_width = std::ldexp(1.0, -exponents[c]);
    int64_t* middle = counts + (2 * c + 1) * side;
    for (int64_t first = 0; first < x.size; first += kBlock) {
      const int64_t n = std::min(kBlock, x.size - first);
      int64_t none = 0;
      if (!all_inside(row + first, n, least, end - 1, none)) return false;
      count(row + first, n, inverse_width, middle);
      *middle -= none;
      zeros[c] += none;
    }
  }
  return true;
}

}  // namespace icepoint
