// Extremes and bins in exact steps: no rounding that matters, so nothing depends on the order of values.
#include "core/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "core/float_env.h"

namespace icepoint {
namespace {

constexpr int64_t kBlock = 512;  // values that are checked, then counted while they lie in the first cache

struct Ends {
  float low, high;
};

// Extremes of n > 0 values, NaN both where one is.
Ends ends_of(const float* x, int64_t n) {
  Ends found{x[0], x[0]};
  int64_t i = 0;
#if defined(__SSE2__)
  if (n >= 4) {
    __m128 low = _mm_loadu_ps(x), high = low, ordered = _mm_cmpord_ps(low, low);
    for (; i + 4 <= n; i += 4) {
      const __m128 v = _mm_loadu_ps(x + i);
      low = _mm_min_ps(v, low);
      high = _mm_max_ps(v, high);
      ordered = _mm_and_ps(ordered, _mm_cmpord_ps(v, v));
    }
    if (_mm_movemask_ps(ordered) != 15) return {NAN, NAN};
    float lows[4], highs[4];
    _mm_storeu_ps(lows, low);
    _mm_storeu_ps(highs, high);
    found = {*std::min_element(lows, lows + 4), *std::max_element(highs, highs + 4)};
  }
#endif
  for (; i < n; ++i) {
    if (std::isnan(x[i])) return {NAN, NAN};
    found.low = std::min(found.low, x[i]);
    found.high = std::max(found.high, x[i]);
  }
  return found;
}

#if defined(__SSE2__)

// Within one, floats round down: x * 2^-k and its conversion give the floor. Where the product is too small
// for a float it becomes -2^-149 or 0, of which the floor is right too.
class RoundDown {
 public:
  RoundDown() : saved_(_mm_getcsr()) { _mm_setcsr(0x1F80u | _MM_ROUND_DOWN); }
  ~RoundDown() { _mm_setcsr(saved_); }
  RoundDown(const RoundDown&) = delete;
  RoundDown& operator=(const RoundDown&) = delete;

 private:
  uint32_t saved_;
};

// Bins of n values where 2^-k is a float; returns how many are 0.
int64_t bins_by_four(const float* x, int64_t n, float inverse_width, int32_t* bins) {
  const RoundDown mode;
  const __m128 factor = _mm_set1_ps(inverse_width);
  __m128i zeros = _mm_setzero_si128();
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const __m128 v = _mm_loadu_ps(x + i);
    zeros = _mm_sub_epi32(zeros, _mm_castps_si128(_mm_cmpeq_ps(v, _mm_setzero_ps())));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bins + i), _mm_cvtps_epi32(_mm_mul_ps(v, factor)));
  }
  int32_t four[4];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(four), zeros);
  int64_t found = int64_t{four[0]} + four[1] + four[2] + four[3];
  for (; i < n; ++i) {
    bins[i] = _mm_cvtss_si32(_mm_mul_ss(_mm_load_ss(x + i), factor));
    found += x[i] == 0.0f;
  }
  return found;
}

#endif

// The same for every k, one by one.
int64_t bins_in_double(const float* x, int64_t n, double inverse_width, int32_t* bins) {
  int64_t zeros = 0;
  for (int64_t i = 0; i < n; ++i) {
    // Exact: 24 bits, between 2^-266 and 2^277.
    const double y = static_cast<double>(x[i]) * inverse_width;
    const auto cut = static_cast<int32_t>(y);
    bins[i] = cut - (static_cast<double>(cut) > y);  // the conversion cuts off, floor goes down
    zeros += x[i] == 0.0f;
  }
  return zeros;
}

int64_t bins_of(const float* x, int64_t n, int32_t exponent, int32_t* bins) {
#if defined(__SSE2__)
  // 2^-k is a normal float; side 2^k <= 2^20 2^127 is then in double's range and x in float's.
  if (exponent >= -127 && exponent <= 126) return bins_by_four(x, n, std::ldexp(1.0f, -exponent), bins);
#endif
  return bins_in_double(x, n, std::ldexp(1.0, -exponent), bins);
}

}  // namespace

void extremes(const Values& x, float* low, float* high) {
  const FloatEnv env;  // with denormals as zeros the least value could be another one
  const float* row = x.data;
  for (int64_t r = 0; r < x.images * x.channels; ++r, row += x.size) {
    const Ends ends = ends_of(row, x.size);
    low[r] = ends.low;
    high[r] = ends.high;
  }
}

bool count_bins(const Values& x, const int32_t* exponents, int64_t side, int64_t* counts, int64_t* zeros) {
  const FloatEnv env;
  int32_t bins[kBlock];
  // Two tables by turns: behind a ReLU most values share a bin, and each count would wait for the one before.
  const bool by_turns = x.size >= 16 * side;
  std::vector<int64_t> others(by_turns ? static_cast<size_t>(2 * side) : 0);
  const float* row = x.data;
  for (int64_t r = 0; r < x.images * x.channels; ++r, row += x.size) {
    const int64_t c = r % x.channels;
    const double limit = std::ldexp(static_cast<double>(side), exponents[c]);
    int64_t* middle = counts + (2 * c + 1) * side;
    int64_t* other = by_turns ? others.data() + side : middle;
    for (int64_t first = 0; first < x.size; first += kBlock) {
      const int64_t n = std::min(kBlock, x.size - first);
      const Ends ends = ends_of(row + first, n);
      if (!(ends.low >= -limit && ends.high < limit)) return false;  // NaN too
      const int64_t none = bins_of(row + first, n, exponents[c], bins);
      int64_t i = 0;
      for (; i + 2 <= n; i += 2) {
        ++middle[bins[i]];
        ++other[bins[i + 1]];
      }
      if (i < n) ++middle[bins[i]];
      *middle -= none;
      zeros[c] += none;
    }
    if (by_turns) {
      for (int64_t b = -side; b < side; ++b) middle[b] += other[b];
      std::fill(others.begin(), others.end(), 0);
    }
  }
  return true;
}

}  // namespace icepoint
