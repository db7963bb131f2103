// The table from pixels to codes: hand-made values, the float environment, the order of the axes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <stdexcept>

#include "image/recipe_table.h"

namespace icepoint {
namespace {

TEST(ImageRecipeTable, HandMadeValues) {
  // pixel / 1 - 0) / 1, scale 2, zero_point 10, 4 bits: rne(p / 2) + 10 clamped to 0..15.
  const PixelTable table(1, {0.0f}, {1.0f}, {2.0f, 10, 4});
  const int expected[] = {10, 10, 11, 12, 12, 12, 13, 14, 14, 14, 15, 15};  // ties to even: 0.5, 1.5, 2.5
  for (int p = 0; p < 12; ++p) EXPECT_EQ(table(0, static_cast<uint8_t>(p)), expected[p]) << p;
  EXPECT_EQ(table(0, 255), 15);
}

TEST(ImageRecipeTable, EveryStepIsOneFloatOperation) {
  const float mean = 0.1307f, std = 0.3081f, scale = 0.0127f;
  const PixelTable table(255, {mean}, {std}, {scale, 33, 8});
  for (int p = 0; p < 256; ++p) {
    volatile float x = static_cast<float>(p) / 255.0f;  // volatile: no wider intermediate, no fusing
    x = x - mean;
    x = x / std;
    x = x / scale;
    const double code = std::nearbyint(static_cast<double>(x)) + 33;
    EXPECT_EQ(table(0, static_cast<uint8_t>(p)), std::min(std::max(code, 0.0), 255.0)) << p;
  }
}

TEST(ImageRecipeTable, ForeignRoundingModeChangesNothing) {
  const QParams q{0.0127f, 33, 8};
  const PixelTable expected(255, {0.1307f}, {0.3081f}, q);
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    const PixelTable table(255, {0.1307f}, {0.3081f}, q);
    EXPECT_EQ(std::fegetround(), mode);
    std::fesetround(FE_TONEAREST);
    for (int p = 0; p < 256; ++p)
      ASSERT_EQ(table(0, static_cast<uint8_t>(p)), expected(0, static_cast<uint8_t>(p)));
  }
}

TEST(ImageRecipeTable, PixelsBecomePlanesAndEachChannelHasItsOwnTable) {
  // scale 1, zero_point 0: codes are pixel - mean.
  const PixelTable table(1, {0.0f, 10.0f}, {1.0f, 1.0f}, {1.0f, 0, 8});
  const std::vector<uint8_t> pixels = {1, 21, 2, 22, 3, 23, 4, 24};  // (2 images, area 2, 2 channels)
  std::vector<uint8_t> codes(pixels.size());
  table.apply(pixels.data(), 2, 2, codes.data());
  EXPECT_EQ(codes, (std::vector<uint8_t>{1, 2, 11, 12, 3, 4, 13, 14}));
  EXPECT_EQ(table.channels(), 2);
}

TEST(ImageRecipeTable, RefusesWhatNoRecipeMayHold) {
  const QParams q{1.0f, 0, 8};
  EXPECT_THROW(PixelTable(2, {0.0f}, {1.0f}, q), std::invalid_argument);
  EXPECT_THROW(PixelTable(255, {0.0f, 0.0f}, {1.0f}, q), std::invalid_argument);
}

}  // namespace
}  // namespace icepoint
