// The two resizes: hand-made values, windows and strips as parts of the whole, the float environment.
#include <gtest/gtest.h>

#include <cfenv>
#include <random>

#include "image/antialias.h"
#include "image/opencv_linear.h"

namespace icepoint {
namespace {

using Resizer = Image (*)(const Image&, const Axis& rows, const Axis& columns);

Image bilinear(const Image& x, const Axis& rows, const Axis& columns) {
  return resize_antialiased(x, rows, columns, Kernel::bilinear);
}
Image bicubic(const Image& x, const Axis& rows, const Axis& columns) {
  return resize_antialiased(x, rows, columns, Kernel::bicubic);
}
constexpr Resizer kResizers[] = {resize_opencv_linear, bilinear, bicubic};

Image whole(Resizer resize, const Image& x, int64_t height, int64_t width) {
  return resize(x, {x.height, height, 0, height}, {x.width, width, 0, width});
}

Image grey(int64_t height, int64_t width, std::vector<uint8_t> data) {
  return {height, width, 1, std::move(data)};
}

Image noise(int64_t height, int64_t width, int64_t channels, uint32_t seed) {
  Image x{height, width, channels, std::vector<uint8_t>(static_cast<size_t>(height * width * channels))};
  std::mt19937 random(seed);
  for (uint8_t& v : x.data) v = static_cast<uint8_t>(random() >> 24);
  return x;
}

Image cut(const Image& x, const Axis& rows, const Axis& columns) {
  Image y{rows.count, columns.count, x.channels, {}};
  for (int64_t i = 0; i < rows.count; ++i) {
    const uint8_t* from = x.data.data() + ((rows.begin + i) * x.width + columns.begin) * x.channels;
    y.data.insert(y.data.end(), from, from + columns.count * x.channels);
  }
  return y;
}

TEST(ImageResize, OpenCvHandMade) {
  // Twice as wide: sources -0.25, 0.25, 0.75, 1.25 are weights (1, 0), (3/4, 1/4), (1/4, 3/4), (0, 1).
  EXPECT_EQ(whole(resize_opencv_linear, grey(1, 2, {0, 100}), 1, 4), grey(1, 4, {0, 25, 75, 100}));
  // Halves exactly: the rounded mean of 2 x 2, 10.5 upward.
  EXPECT_EQ(whole(resize_opencv_linear, grey(2, 2, {10, 10, 11, 11}), 1, 1), grey(1, 1, {11}));
  // Halving one side alone is no mean of four: source 0.5 of each pair, the rows stay.
  EXPECT_EQ(whole(resize_opencv_linear, grey(2, 2, {10, 20, 30, 50}), 2, 1), grey(2, 1, {15, 40}));
  // A quarter takes two of four pixels: no antialiasing.
  EXPECT_EQ(whole(resize_opencv_linear, grey(1, 4, {0, 100, 200, 0}), 1, 1), grey(1, 1, {150}));
  // Above the first row both taps are that row, with weights 3/4 and 1/4 that round down each alone:
  // 221.5 gives 221, where a clamped tap (1, 0) would give 222, as it does along the row.
  EXPECT_EQ(whole(resize_opencv_linear, grey(1, 3, {255, 121, 6}), 2, 2), grey(2, 2, {221, 35, 221, 35}));
  EXPECT_EQ(whole(resize_opencv_linear, grey(1, 3, {255, 121, 6}), 1, 2), grey(1, 2, {222, 35}));
}

TEST(ImageResize, AntialiasedHandMade) {
  // A third: the triangle of radius 3 around 1.5 weighs 2/3, 1, 2/3 over 7/3.
  EXPECT_EQ(whole(bilinear, grey(1, 3, {0, 70, 210}), 1, 1), grey(1, 1, {90}));
  // Twice as wide: (3/4, 1/4), as without antialiasing, but cut and scaled at the borders.
  EXPECT_EQ(whole(bilinear, grey(1, 2, {0, 100}), 1, 4), grey(1, 4, {0, 25, 75, 100}));
  // The cubic overshoots a step, and the clamp holds it.
  EXPECT_EQ(whole(bicubic, grey(1, 4, {0, 0, 255, 255}), 1, 8),
            grey(1, 8, {0, 0, 0, 52, 203, 255, 255, 255}));
}

TEST(ImageResize, SameSizeIsTheSamePicture) {
  for (const Resizer resize : kResizers)
    for (const int64_t c : {1, 3}) {
      const Image x = noise(13, 9, c, 1);
      EXPECT_EQ(whole(resize, x, 13, 9), x);
    }
}

TEST(ImageResize, OneColourStaysAndOnePixelFillsAll) {
  for (const Resizer resize : kResizers)
    for (const uint8_t v : {uint8_t{0}, uint8_t{1}, uint8_t{77}, uint8_t{255}})
      for (const auto& [h, w] : {std::pair{1, 1}, {17, 5}, {64, 64}, {300, 2}}) {
        const Image x{h, w, 3, std::vector<uint8_t>(static_cast<size_t>(h * w * 3), v)};
        for (const auto& [H, W] : {std::pair{1, 1}, {7, 31}, {32, 32}, {150, 1}})
          EXPECT_EQ(whole(resize, x, H, W).data, std::vector<uint8_t>(static_cast<size_t>(H * W * 3), v));
      }
}

TEST(ImageResize, AWindowIsThatPartOfTheWhole) {
  std::mt19937 random(2);
  const auto upto = [&](int64_t most) {
    return 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(most));
  };
  for (int round = 0; round < 60; ++round)
    for (const Resizer resize : kResizers) {
      const Image x = noise(upto(90), upto(60), round % 2 ? 3 : 1, static_cast<uint32_t>(round));
      Axis rows{x.height, upto(70), 0, 0}, columns{x.width, upto(70), 0, 0};
      if (round % 5 == 0 && x.height % 2 == 0 && x.width % 2 == 0)
        rows.full = x.height / 2, columns.full = x.width / 2;
      for (Axis* a : {&rows, &columns}) {
        a->begin = upto(a->full) - 1;
        a->count = upto(a->full - a->begin);
      }
      EXPECT_EQ(resize(x, rows, columns), cut(whole(resize, x, rows.full, columns.full), rows, columns))
          << round;
    }
}

TEST(ImageResize, AHighPictureGoesInStrips) {
  // 65535 rows leave room for 256 columns between the passes; the strip before and behind that border.
  const Image x = noise(65535, 3, 1, 3);
  const Axis rows{65535, 65000, 0, 65000};
  const Image y = bilinear(x, rows, {3, 300, 0, 300});
  for (const int64_t begin : {0, 250, 257})
    EXPECT_EQ(bilinear(x, rows, {3, 300, begin, 9}), cut(y, rows, {3, 300, begin, 9}));
}

TEST(ImageResize, HugeFactorsAndSidesOfOnePixel) {
  for (const Resizer resize : kResizers) {
    const Image row = noise(1, 65535, 3, 4), column = noise(65535, 1, 3, 5);
    EXPECT_EQ(whole(resize, row, 224, 224).data.size(), 224u * 224 * 3);
    EXPECT_EQ(whole(resize, column, 1, 1).data.size(), 3u);
    // A crop of what would be 65535 x 4294836225 pixels.
    const Axis rows{1, 65535, 30000, 4}, columns{65535, int64_t{65535} * 65535, int64_t{2147418000}, 5};
    EXPECT_EQ(resize(row, rows, columns).data.size(), 60u);
  }
}

TEST(ImageResize, ForeignRoundingModeChangesNothing) {
  const Image x = noise(47, 61, 3, 6);
  for (const Resizer resize : kResizers) {
    const Image expected = whole(resize, x, 29, 90);
    for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
      std::fesetround(mode);
      const Image y = whole(resize, x, 29, 90);
      std::fesetround(FE_TONEAREST);
      EXPECT_EQ(y, expected);
    }
  }
}

TEST(ImageResize, ExtremeNoiseStaysInInt32) {
  // Under UBSan: the largest sums that black and white can make, at factors where a cubic overshoots most.
  for (int64_t n = 1; n < 40; ++n)
    for (int64_t m = 1; m < 40; ++m) {
      Image x = noise(1, n, 1, static_cast<uint32_t>(n * m));
      for (uint8_t& v : x.data) v = v > 127 ? 255 : 0;
      EXPECT_EQ(whole(bicubic, x, 1, m).width, m);
    }
}

}  // namespace
}  // namespace icepoint
