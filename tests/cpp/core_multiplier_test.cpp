// Multipliers and shifts: nearest, ties to even, the edges of what a file may hold, the errors.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "core/multiplier.h"

namespace icepoint {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(QuantizeMultiplier, HandMade) {
  EXPECT_EQ(quantize_multiplier(0.75), (Multiplier{1610612736, 31}));
  EXPECT_EQ(quantize_multiplier(0.5), (Multiplier{1 << 30, 31}));
  EXPECT_EQ(quantize_multiplier(1.0), (Multiplier{1 << 30, 30}));
  EXPECT_EQ(quantize_multiplier(3.0), (Multiplier{3 << 29, 29}));
  EXPECT_EQ(quantize_multiplier(1.0 / 3), (Multiplier{1431655765, 32}));
  EXPECT_EQ(quantize_multiplier(0x1p28), (Multiplier{1 << 30, 2}));
  EXPECT_EQ(quantize_multiplier(0.0), (Multiplier{0, 54}));
}

TEST(QuantizeMultiplier, TiesGoToEven) {
  EXPECT_EQ(quantize_multiplier((0x1p30 + 0.5) * 0x1p-31), (Multiplier{1 << 30, 31}));
  EXPECT_EQ(quantize_multiplier((0x1p30 + 1.5) * 0x1p-31), (Multiplier{(1 << 30) + 2, 31}));
  EXPECT_EQ(quantize_multiplier((0x1p31 - 1.5) * 0x1p-31), (Multiplier{2147483646, 31}));
  EXPECT_EQ(quantize_multiplier((0x1p31 - 0.5) * 0x1p-31), (Multiplier{1 << 30, 30}));  // up to 2^31
}

TEST(QuantizeMultiplier, SmallFactorsStopAtShift54) {
  EXPECT_EQ(quantize_multiplier(0x1p-24), (Multiplier{1 << 30, 54}));  // the last normalized one
  EXPECT_EQ(quantize_multiplier(0x1p-25), (Multiplier{1 << 29, 54}));
  EXPECT_EQ(quantize_multiplier(0x1p-54), (Multiplier{1, 54}));
  EXPECT_EQ(quantize_multiplier(0x3p-55), (Multiplier{2, 54}));  // 1.5
  EXPECT_EQ(quantize_multiplier(0x1p-55), (Multiplier{0, 54}));  // 0.5
  EXPECT_EQ(quantize_multiplier(0x1p-1000), (Multiplier{0, 54}));
  EXPECT_EQ(quantize_multiplier(std::numeric_limits<double>::denorm_min()), (Multiplier{0, 54}));
}

TEST(QuantizeMultiplier, RefusesWhatNoFileMayHold) {
  for (double bad : {-1.0, -0x1p-1000, kInf, -kInf, kNaN, 0x1p29, 1e300})
    EXPECT_THROW(quantize_multiplier(bad), std::invalid_argument) << bad;
  // Just below 2^29 the multiplier would round up to 2^31, and its shift down to 1.
  EXPECT_THROW(quantize_multiplier(std::nextafter(0x1p29, 0)), std::invalid_argument);
  EXPECT_EQ(quantize_multiplier(0x1p29 - 0.25), (Multiplier{2147483647, 2}));
}

TEST(QuantizeMultiplier, NearestAndLegalEverywhere) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const double M =
        std::ldexp(0.5 + static_cast<double>(random() >> 12) * 0x1p-53, static_cast<int>(random() % 88) - 59);
    if (M >= 0x1p28) continue;
    const Multiplier q = quantize_multiplier(M);
    ASSERT_NO_THROW(check_multiplier(q.multiplier, q.shift, "q")) << M;
    // Scaling by a power of two is exact, so this is the error in units of the last place.
    ASSERT_LE(std::abs(std::ldexp(M, q.shift) - q.multiplier), 0.5) << M;
  }
}

TEST(CheckMultiplier, KnowsTheLegalPairs) {
  EXPECT_NO_THROW(check_multiplier(1 << 30, 2, "m"));
  EXPECT_NO_THROW(check_multiplier(2147483647, 54, "m"));
  EXPECT_NO_THROW(check_multiplier(0, 54, "m"));
  EXPECT_THROW(check_multiplier(1 << 30, 1, "m"), std::invalid_argument);
  EXPECT_THROW(check_multiplier(1 << 30, 55, "m"), std::invalid_argument);
  EXPECT_THROW(check_multiplier((1 << 30) - 1, 53, "m"), std::invalid_argument);
  EXPECT_THROW(check_multiplier(int64_t{1} << 31, 40, "m"), std::invalid_argument);
  EXPECT_THROW(check_multiplier(-1, 54, "m"), std::invalid_argument);
  try {
    check_multiplier(5, 64, "ops[3]");
    FAIL() << "shift 64 was accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "ops[3].shift: 64 is not in 2..54");
  }
}

void expect_add(double a, double b, int32_t ma, int32_t mb, int32_t shift) {
  const AddMultipliers m = quantize_add(a, b);
  EXPECT_EQ(m.a, ma) << a << " " << b;
  EXPECT_EQ(m.b, mb) << a << " " << b;
  EXPECT_EQ(m.shift, shift) << a << " " << b;
}

TEST(QuantizeAdd, TakesTheLargestShiftThatFits) {
  expect_add(1, 1, 1 << 20, 1 << 20, 20);  // 2^21 at shift 21 is one too many
  expect_add(0.5, 0.25, 1 << 20, 1 << 19, 21);
  expect_add(1, -2, 1 << 19, -(1 << 20), 19);  // a subtraction
  expect_add(0, 0, 0, 0, 30);
  expect_add(0x1p-40, 0x1p-31, 0, 0, 30);  // 0.5 rounds to even
  expect_add(1.0 / 3, 0.1, 1398101, 419430, 22);
  expect_add(0x1p20 - 1, 0x1p-1, 2097150, 1, 1);
}

TEST(QuantizeAdd, RefusesRatiosWithoutAShift) {
  for (double bad : {0x1p20, 0x1p20 - 0.25, -0x1p20, 1e30, kInf, kNaN}) {
    EXPECT_THROW(quantize_add(bad, 1), std::invalid_argument) << bad;
    EXPECT_THROW(quantize_add(1, bad), std::invalid_argument) << bad;
  }
}

void expect_affine(double gain, double offset, int32_t m, int32_t b, int32_t shift) {
  const AffineMultiplier a = quantize_affine(gain, offset, {1.0f, 128, 8}, {1.0f, 128, 8});
  EXPECT_EQ(a.multiplier, m) << gain << " " << offset;
  EXPECT_EQ(a.offset, b) << gain << " " << offset;
  EXPECT_EQ(a.shift, shift) << gain << " " << offset;
}

TEST(QuantizeAffine, HandMade) {
  expect_affine(1, 0, 1 << 20, 0, 20);
  expect_affine(-0.5, 3.5, -(1 << 20), 7 << 20, 21);
  expect_affine(0, 0, 0, 0, 30);
  // At shift 24 the offset alone would be 2^31; at 23 it fits beside 2^22.
  expect_affine(0, 128, 0, 1 << 30, 23);
}

TEST(QuantizeAffine, ConstantChannels) {
  expect_affine(0, 1e12, 0, 1024, 1);    // above every code
  expect_affine(0, -1e12, 0, -1024, 1);  // below
  expect_affine(3e6, 1e12, 0, 1024, 1);
  // A channel that saturates on neither side for all x, and one that is not finite.
  EXPECT_THROW(quantize_affine(3e6, 0, {1.0f, 128, 8}, {1.0f, 128, 8}), std::invalid_argument);
  EXPECT_THROW(quantize_affine(kNaN, 0, {}, {}), std::invalid_argument);
  EXPECT_THROW(quantize_affine(1, kInf, {}, {}), std::invalid_argument);
}

TEST(QuantizeAffine, EveryStepFitsInt32) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> exponent(-30, 22);
  for (int i = 0; i < 100'000; ++i) {
    const double gain = std::exp2(exponent(random)) * (random() % 2 ? 1 : -1);
    const double offset = std::exp2(exponent(random) + 6) * (random() % 2 ? 1 : -1);
    try {
      const AffineMultiplier a = quantize_affine(gain, offset, {1.0f, 0, 8}, {1.0f, 3, 8});
      const int64_t reach =
          std::abs(int64_t{a.offset}) + 255 * std::abs(int64_t{a.multiplier}) + (int64_t{1} << (a.shift - 1));
      ASSERT_LT(reach, int64_t{1} << 31) << gain << " " << offset;
      ASSERT_LT(std::abs(a.multiplier), 1 << 21) << gain << " " << offset;
      ASSERT_TRUE(a.shift >= 1 && a.shift <= 30) << gain << " " << offset;
    } catch (const std::invalid_argument&) {
      ASSERT_TRUE(std::abs(gain) >= 0x1p19 || std::abs(offset) >= 0x1p28) << gain << " " << offset;
    }
  }
}

}  // namespace
}  // namespace icepoint
