// Pixel formulas against exact rational arithmetic, over every input where that is feasible.
#include <gtest/gtest.h>

#include <stdexcept>

#include "image/pixels.h"

namespace icepoint {
namespace {

TEST(ImagePixels, LumaIsItuR601RoundedAndKeepsGrey) {
  for (int v = 0; v < 256; ++v) {
    const auto p = static_cast<uint8_t>(v);
    EXPECT_EQ(luma(p, p, p), v);
    // One channel alone: floor(factor v / 65536 + 1/2), with 0.299, 0.587, 0.114 in 16 bits.
    EXPECT_EQ(luma(p, 0, 0), (19595 * v * 2 + 65536) / 131072);
    EXPECT_EQ(luma(0, p, 0), (38470 * v * 2 + 65536) / 131072);
    EXPECT_EQ(luma(0, 0, p), (7471 * v * 2 + 65536) / 131072);
  }
  EXPECT_EQ(luma(255, 0, 0), 76);
  EXPECT_EQ(luma(0, 255, 0), 150);
  EXPECT_EQ(luma(0, 0, 255), 29);
}

TEST(ImagePixels, Multiply255IsTheRoundedQuotientForEveryPair) {
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b)
      // floor(ab / 255 + 1/2); 255 is odd, so there are no ties.
      ASSERT_EQ(multiply_255(static_cast<uint8_t>(a), static_cast<uint8_t>(b)), (2 * a * b + 255) / 510)
          << a << ' ' << b;
}

TEST(ImagePixels, HighByteOfEverySixteenBitSample) {
  for (int v = 0; v < 65536; ++v) ASSERT_EQ(high_byte(static_cast<uint16_t>(v)), v / 256);
}

TEST(ImagePixels, CmykBecomesLight) {
  const Image cmyk{1, 4, 4, {0, 0, 0, 0, 255, 0, 0, 0, 10, 20, 30, 255, 51, 102, 204, 55}};
  // The last: white = 200; 200 - 51 * 200 / 255 = 160, 200 - 80 = 120, 200 - 160 = 40.
  const Image rgb{1, 4, 3, {255, 255, 255, 0, 255, 255, 0, 0, 0, 160, 120, 40}};
  EXPECT_EQ(cmyk_to_rgb(cmyk), rgb);
}

TEST(ImagePixels, AlphaIsDropped) {
  const Image rgba{1, 2, 4, {1, 2, 3, 0, 4, 5, 6, 255}};
  EXPECT_EQ(keep_channels(rgba, 3), (Image{1, 2, 3, {1, 2, 3, 4, 5, 6}}));
  const Image grey_alpha{2, 1, 2, {7, 0, 8, 9}};
  EXPECT_EQ(keep_channels(grey_alpha, 1), (Image{2, 1, 1, {7, 8}}));
}

TEST(ImagePixels, PaletteIsExpandedAndItsEndRespected) {
  const std::vector<uint8_t> palette{1, 2, 3, 40, 50, 60};
  EXPECT_EQ(expand_palette({1, 3, 1, {1, 0, 1}}, palette),
            (Image{1, 3, 3, {40, 50, 60, 1, 2, 3, 40, 50, 60}}));
  try {
    expand_palette({1, 1, 1, {2}}, palette);
    FAIL() << "an index beyond the palette was accepted";
  } catch (const std::invalid_argument& e) {
    EXPECT_STREQ(e.what(), "palette: index 2, but there are 2 colours");
  }
}

TEST(ImagePixels, ChannelsConvertBetweenGreyAndRgbOnly) {
  const Image grey{1, 2, 1, {5, 250}}, rgb{1, 2, 3, {5, 5, 5, 250, 250, 250}};
  EXPECT_EQ(to_channels(grey, 3), rgb);
  EXPECT_EQ(to_channels(rgb, 1), grey);
  EXPECT_EQ(to_channels(rgb, 3), rgb);
  EXPECT_THROW(to_channels(rgb, 4), std::invalid_argument);
  EXPECT_THROW(to_channels(grey, 2), std::invalid_argument);
  EXPECT_THROW(to_channels(Image{1, 1, 4, {1, 2, 3, 4}}, 3), std::invalid_argument);
}

TEST(ImagePixels, SizesAreCapped) {
  check_image_size(1, 1);
  check_image_size(1024, 65535);
  check_image_size(8192, 8192);
  EXPECT_THROW(check_image_size(0, 5), std::invalid_argument);
  EXPECT_THROW(check_image_size(5, -1), std::invalid_argument);
  EXPECT_THROW(check_image_size(65536, 1), std::invalid_argument);
  EXPECT_THROW(check_image_size(8193, 8192), std::invalid_argument);
}

}  // namespace
}  // namespace icepoint
