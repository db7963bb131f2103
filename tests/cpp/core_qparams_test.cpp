// choose_qparams, its errors, and quantize_value: ties, NaN, infinities, far values.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "core/qparams.h"

namespace icepoint {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

void expect_qparams(double min, double max, int bits, float scale, int zero_point) {
  EXPECT_EQ(choose_qparams(min, max, bits), (QParams{scale, zero_point, bits}))
      << min << ".." << max << " at " << bits << " bits";
}

TEST(ChooseQParams, HandMade) {
  expect_qparams(0, 255, 8, 1.0f, 0);
  expect_qparams(0, 6, 8, static_cast<float>(6.0 / 255), 0);
  expect_qparams(-6, 0, 8, static_cast<float>(6.0 / 255), 255);
  expect_qparams(-1, 3, 8, static_cast<float>(4.0 / 255), 64);  // 255 - 191.25 = 63.75
  expect_qparams(-1, 3, 2, static_cast<float>(4.0 / 3), 1);     // 3 - 2.25 = 0.75
}

TEST(ChooseQParams, RangesAreWidenedToHoldZero) {
  EXPECT_EQ(choose_qparams(3, 6, 8), choose_qparams(0, 6, 8));
  EXPECT_EQ(choose_qparams(-6, -3, 8), choose_qparams(-6, 0, 8));
  EXPECT_EQ(choose_qparams(5, 5, 4), choose_qparams(0, 5, 4));
}

TEST(ChooseQParams, SymmetricRangesGiveTheMiddle) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    const double m =
        std::ldexp(1 + static_cast<double>(random() >> 12) * 0x1p-52, static_cast<int>(random() % 120) - 60);
    for (int bits = 2; bits <= 8; ++bits)
      ASSERT_EQ(choose_qparams(-m, m, bits).zero_point, 1 << (bits - 1)) << m << " at " << bits << " bits";
  }
}

TEST(ChooseQParams, EveryRangeGivesLegalQParams) {
  std::mt19937_64 random(6);
  std::uniform_real_distribution<double> exponent(-200, 99);
  for (int i = 0; i < 50'000; ++i) {
    const double min = -std::exp2(exponent(random)), max = std::exp2(exponent(random));
    const int bits = 2 + i % 7;
    ASSERT_NO_THROW(check_qparams(choose_qparams(min, max, bits), "q")) << min << ".." << max;
  }
}

TEST(ChooseQParams, DegenerateRanges) {
  expect_qparams(0, 0, 8, 1.0f, 0);
  expect_qparams(-0.0, 0.0, 3, 1.0f, 0);
  expect_qparams(0, 1e-40, 8, kMinScale, 0);  // a smaller scale is raised
  expect_qparams(-1e-40, 0, 8, kMinScale, 255);
  expect_qparams(0, 255 * 0x1p100, 8, kMaxScale, 0);
}

TEST(ChooseQParams, Errors) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const double huge = std::numeric_limits<double>::max();
  for (auto [min, max] : {std::pair{nan, 1.0},
                          {0.0, nan},
                          {-inf, 0.0},
                          {0.0, inf},
                          {1.0, 0.0},
                          {0.0, 256 * 0x1p100},
                          {-huge, huge}})
    EXPECT_THROW(choose_qparams(min, max, 8), std::invalid_argument) << min << ".." << max;
  for (int bits : {-8, 0, 1, 9, 32}) EXPECT_THROW(choose_qparams(0, 1, bits), std::invalid_argument) << bits;
}

TEST(CheckQParams, Errors) {
  EXPECT_NO_THROW(check_qparams({0.5f, 255, 8}, "x"));
  EXPECT_NO_THROW(check_qparams({kMinScale, 0, 2}, "x"));
  EXPECT_NO_THROW(check_qparams({kMaxScale, 3, 2}, "x"));
  for (float scale : {0.0f, -1.0f, kNaN, kInf, kMinScale / 2, kMaxScale * 2, 1e-45f})
    EXPECT_THROW(check_qparams({scale, 0, 8}, "x"), std::invalid_argument) << scale;
  EXPECT_THROW(check_qparams({1.0f, 256, 8}, "x"), std::invalid_argument);
  EXPECT_THROW(check_qparams({1.0f, 16, 4}, "x"), std::invalid_argument);
  EXPECT_THROW(check_qparams({1.0f, -1, 8}, "x"), std::invalid_argument);
  EXPECT_THROW(check_qparams({1.0f, 0, 9}, "x"), std::invalid_argument);
}

TEST(QuantizeValue, TiesGoToEvenBeforeTheZeroPoint) {
  const float values[] = {-2.5f, -1.5f, -0.5f, -0.0f, 0.5f, 1.5f, 2.5f, 0.49999997f, 2.5000002f};
  const int codes[] = {-2, -2, 0, 0, 0, 2, 2, 0, 3};
  for (int i = 0; i < 9; ++i)
    for (int zero_point : {3, 4, 128})
      EXPECT_EQ(quantize_value(values[i], 1.0f, zero_point, 0, 255), codes[i] + zero_point) << values[i];
}

TEST(QuantizeValue, FarAndNonFiniteValues) {
  for (float scale : {kMinScale, 0.017f, 1.0f, kMaxScale}) {
    EXPECT_EQ(quantize_value(kNaN, scale, 7, 0, 255), 7);
    EXPECT_EQ(quantize_value(-kNaN, scale, 7, 0, 255), 7);
    EXPECT_EQ(quantize_value(kInf, scale, 7, 0, 255), 255);
    EXPECT_EQ(quantize_value(-kInf, scale, 7, 0, 255), 0);
  }
  for (float far : {1e30f, 0x1p31f, 0x1p32f, 3.4e38f}) {
    EXPECT_EQ(quantize_value(far, 1.0f, 7, 0, 200), 200);
    EXPECT_EQ(quantize_value(-far, 1.0f, 7, 3, 200), 3);
    EXPECT_EQ(quantize_value(-far, kMinScale, 7, 3, 200), 3);  // the quotient is infinite
  }
  EXPECT_EQ(quantize_value(1e-45f, 1.0f, 7, 0, 255), 7);
  EXPECT_EQ(quantize_value(-300.0f, 1.0f, 0, -128, 127), -128);
}

TEST(QuantizeValue, DividesAndDoesNotMultiplyByAReciprocal) {
  // Quotients near a tie, where x * (1 / scale) often falls on the other side.
  int differing = 0;
  for (int i = 1; i < 100'000; ++i) {
    const float scale = 0.1f + static_cast<float>(i) * 1e-6f, x = scale * 100.5f;
    const int by_division = static_cast<int>(std::nearbyint(x / scale));
    ASSERT_EQ(quantize_value(x, scale, 0, 0, 255), by_division) << x << " / " << scale;
    differing += by_division != static_cast<int>(std::nearbyint(x * (1.0f / scale)));
  }
  EXPECT_GT(differing, 0) << "the data cannot tell a division from a reciprocal";
}

}  // namespace
}  // namespace icepoint
