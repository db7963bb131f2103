// Extremes and bins against a plain count with exact arithmetic, over float32's whole range.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/float_env.h"
#include "core/histogram.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace icepoint {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kLeast = std::numeric_limits<float>::denorm_min();
constexpr float kMax = std::numeric_limits<float>::max();

struct Counted {
  std::vector<int64_t> counts, zeros;
  bool inside;
};

Counted count(const std::vector<float>& x, int32_t exponent, int64_t side) {
  Counted found{std::vector<int64_t>(static_cast<size_t>(2 * side)), {0}, false};
  const Values values{x.data(), 1, 1, static_cast<int64_t>(x.size())};
  found.inside = count_bins(values, &exponent, side, found.counts.data(), found.zeros.data());
  return found;
}

// floor(x / 2^exponent) in long double, which has an exponent for each of these.
int64_t bin_of(float x, int32_t exponent) {
  return static_cast<int64_t>(std::floor(std::ldexp(static_cast<long double>(x), -exponent)));
}

TEST(Histogram, CountsEachValueInItsBin) {
  std::mt19937 generator(7);
  for (const int32_t exponent : {-149, -140, -30, 0, 60, 116}) {
    const int64_t side = 256;
    std::uniform_real_distribution<double> uniform(-256, 256);
    std::vector<float> x{0.0f, -0.0f};
    for (int i = 0; i < 10000; ++i) {  // more than a block
      const double value = i % 3 ? uniform(generator)
                                 : std::floor(uniform(generator));  // a third are edges, and denormals all
      x.push_back(static_cast<float>(std::ldexp(std::min(value, 255.0), exponent)));
    }
    const Counted found = count(x, exponent, side);
    std::vector<int64_t> expected(512);
    int64_t zeros = 0;
    for (const float value : x) {
      if (value == 0)
        ++zeros;
      else
        ++expected[static_cast<size_t>(bin_of(value, exponent) + side)];
    }
    EXPECT_TRUE(found.inside);
    EXPECT_EQ(found.counts, expected) << exponent;
    EXPECT_EQ(found.zeros[0], zeros);
  }
}

TEST(Histogram, TinyNegativeValuesLieBelowZero) {
  const Counted found = count({-kLeast, kLeast, -1e-30f, 1e-30f}, 116, 4);
  EXPECT_TRUE(found.inside);
  EXPECT_EQ(found.counts, (std::vector<int64_t>{0, 0, 0, 2, 2, 0, 0, 0}));
}

TEST(Histogram, TheOutermostBinsHoldTheirLowerEnds) {
  EXPECT_EQ(count({-4.0f, -3.5f, 3.0f, std::nextafter(4.0f, 0.0f)}, 0, 4).counts,
            (std::vector<int64_t>{2, 0, 0, 0, 0, 0, 0, 2}));
  EXPECT_TRUE(count({kMax, -kMax}, 116, 4096).inside);
  EXPECT_TRUE(count({kMax, -kMax}, 128, 1).inside);
  for (const float outside : {4.0f, std::nextafter(-4.0f, -5.0f), 1e9f, -kMax, kInf, -kInf, std::nanf("")})
    EXPECT_FALSE(count({outside}, 0, 4).inside) << outside;
  for (const float outside : {kInf, -kInf, std::nanf("")}) EXPECT_FALSE(count({outside}, 128, 64).inside);
}

TEST(Histogram, ChannelsHaveTheirOwnBins) {
  const std::vector<float> x{0.5f, 1.5f, 0.5f, 1.5f, /* image 1 */ 0.0f, -1.0f, 0.25f, 0.25f};
  const std::vector<int32_t> exponents{0, -1};
  std::vector<int64_t> counts(2 * 8), zeros(2);
  ASSERT_TRUE(count_bins({x.data(), 2, 2, 2}, exponents.data(), 4, counts.data(), zeros.data()));
  EXPECT_EQ(counts, (std::vector<int64_t>{0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 1}));
  EXPECT_EQ(zeros, (std::vector<int64_t>{1, 0}));
}

TEST(Histogram, ExtremesOfEachImageAndChannel) {
  const std::vector<float> x{1, -2, kLeast, -kLeast, -0.0f, 0.0f, kMax, -kMax};
  std::vector<float> low(4), high(4);
  extremes({x.data(), 2, 2, 2}, low.data(), high.data());
  EXPECT_EQ(low, (std::vector<float>{-2, -kLeast, -0.0f, -kMax}));
  EXPECT_EQ(high, (std::vector<float>{1, kLeast, 0.0f, kMax}));
}

TEST(Histogram, ExtremesShowWhatIsNoNumber) {
  const float nan = std::nanf("");
  for (const float bad :
       {nan, std::bit_cast<float>(std::bit_cast<uint32_t>(nan) | 0x80000000u), kInf, -kInf}) {
    std::vector<float> x(100, 3.0f);
    x[57] = bad;
    float low = 0, high = 0;
    extremes({x.data(), 1, 1, 100}, &low, &high);
    EXPECT_FALSE(std::isfinite(low) && std::isfinite(high));
  }
}

#if defined(__SSE2__)
TEST(Histogram, DenormalsAreNotZerosWhateverTheMode) {
  const FloatEnv env;                  // gives the modes back
  _mm_setcsr(_mm_getcsr() | 0x8040u);  // denormals are zeros, results are flushed
  const std::vector<float> x{kLeast, -kLeast, 0.0f};
  float low = 0, high = 0;
  extremes({x.data(), 1, 1, 3}, &low, &high);
  const Counted found = count(x, -149, 2);
  _mm_setcsr(_mm_getcsr() & ~0x8040u);
  EXPECT_EQ(low, -kLeast);
  EXPECT_EQ(high, kLeast);
  EXPECT_EQ(found.counts, (std::vector<int64_t>{0, 1, 0, 1}));
  EXPECT_EQ(found.zeros[0], 1);
}
#endif

}  // namespace
}  // namespace icepoint
