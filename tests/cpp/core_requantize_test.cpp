// requantize and its clamp against exact 128-bit arithmetic: every tie, every extreme.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "core/requantize.h"

namespace icepoint {
namespace {

constexpr int32_t kMin = std::numeric_limits<int32_t>::min(), kMax = std::numeric_limits<int32_t>::max();

// floor(acc * multiplier / 2^shift + 1/2), written from the definition: with d = 2^shift it is
// floor((2 acc multiplier + d) / 2d).
__int128 exact(int32_t acc, int32_t multiplier, int32_t shift) {
  const __int128 divisor = static_cast<__int128>(1) << shift;
  const __int128 top = 2 * static_cast<__int128>(acc) * multiplier + divisor;
  __int128 quotient = top / (2 * divisor);  // truncates
  if (top < 0 && top % (2 * divisor) != 0) --quotient;
  return quotient;
}

void expect_exact(int32_t acc, int32_t multiplier, int32_t shift) {
  ASSERT_TRUE(exact(acc, multiplier, shift) == requantize(acc, multiplier, shift))
      << "acc " << acc << " multiplier " << multiplier << " shift " << shift << " gives "
      << requantize(acc, multiplier, shift);
}

TEST(Requantize, RoundsHalvesUp) {
  const int32_t half = 1 << 30;  // 2^30 * 2^-31 = 0.5
  EXPECT_EQ(requantize(1, half, 31), 1);
  EXPECT_EQ(requantize(-1, half, 31), 0);
  EXPECT_EQ(requantize(3, half, 31), 2);
  EXPECT_EQ(requantize(-3, half, 31), -1);
  EXPECT_EQ(requantize(5, half, 31), 3);
  EXPECT_EQ(requantize(-5, half, 31), -2);
  EXPECT_EQ(requantize(0, half, 31), 0);
  EXPECT_EQ(requantize(7, 3 * (1 << 29), 31), 5);    // 5.25
  EXPECT_EQ(requantize(-7, 3 * (1 << 29), 31), -5);  // -5.25
}

TEST(Requantize, ExactAtEveryExtreme) {
  for (int32_t shift = 2; shift <= 54; ++shift)
    for (int32_t multiplier : {0, 1, 2, 3, (1 << 30) - 1, 1 << 30, (1 << 30) + 1, kMax - 1, kMax})
      for (int32_t acc : {kMin, kMin + 1, -65536, -3, -2, -1, 0, 1, 2, 3, 65535, kMax - 1, kMax})
        expect_exact(acc, multiplier, shift);
}

TEST(Requantize, ExactAtEveryTie) {
  // acc * multiplier = (2k + 1) 2^(shift-1) exactly, and its two neighbours.
  for (int32_t shift = 2; shift <= 54; ++shift) {
    for (int64_t odd : {-255, -129, -3, -1, 1, 3, 127, 255, 511}) {
      const int32_t factor = shift - 1 <= 30 ? shift - 1 : 30;  // multiplier 2^factor
      const int64_t acc = odd << (shift - 1 - factor);
      if (acc < kMin || acc > kMax) continue;
      for (int32_t near : {-1, 0, 1})
        expect_exact(static_cast<int32_t>(acc + near), int32_t{1} << factor, shift);
      EXPECT_EQ(requantize(static_cast<int32_t>(acc), int32_t{1} << factor, shift), (odd + 1) / 2);
    }
  }
}

TEST(Requantize, ExactOnRandomNumbers) {
  std::mt19937 random(20240601);
  for (int i = 0; i < 1'000'000; ++i) {
    const int32_t shift = 2 + static_cast<int32_t>(random() % 53);
    const int32_t multiplier = static_cast<int32_t>(random() >> 1);
    // Small and large accumulators alike: few values lie near zero among all of int32.
    const int32_t acc = static_cast<int32_t>(random()) >> (random() % 31);
    expect_exact(acc, multiplier, shift);
  }
}

TEST(RequantizeClamp, ClampsBehindTheZeroPoint) {
  const int32_t one = 1 << 30;  // 2^30 * 2^-30
  EXPECT_EQ(requantize_clamp(5, one, 30, 10, 0, 255), 15);
  EXPECT_EQ(requantize_clamp(-11, one, 30, 10, 0, 255), 0);
  EXPECT_EQ(requantize_clamp(300, one, 30, 10, 0, 255), 255);
  EXPECT_EQ(requantize_clamp(-3, one, 30, 10, 10, 255), 10);  // a fused ReLU
  EXPECT_EQ(requantize_clamp(9, one, 30, 10, 10, 15), 15);    // a fused ReLU6
  // The largest product leaves int32 long before the clamp sees it.
  EXPECT_EQ(requantize_clamp(kMax, kMax, 2, 255, 0, 255), 255);
  EXPECT_EQ(requantize_clamp(kMin, kMax, 2, 0, 0, 255), 0);
}

}  // namespace
}  // namespace icepoint
