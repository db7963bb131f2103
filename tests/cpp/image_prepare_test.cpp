// From a picture of any size to the model's: letterbox, crop, stretch, channels, and what is refused.
#include <gtest/gtest.h>

#include "graph_fixtures.h"
#include "image/prepare.h"

namespace icepoint {
namespace {

using Fit = Resize::Fit;
using Filter = Resize::Filter;

Image filled(int64_t height, int64_t width, int64_t channels, uint8_t v) {
  return {height, width, channels, std::vector<uint8_t>(static_cast<size_t>(height * width * channels), v)};
}

/// Rows of a picture whose pixel (i, j) is i + j, 16 wide: which part of it came back is plain to see.
Image ramp(int64_t height, int64_t width) {
  Image x{height, width, 1, {}};
  for (int64_t i = 0; i < height; ++i)
    for (int64_t j = 0; j < width; ++j) x.data.push_back(static_cast<uint8_t>(i + j));
  return x;
}

void expect_refusal(const std::function<void()>& call, const char* words) {
  const std::string found = testing::refusal(call);
  EXPECT_NE(found.find(words), std::string::npos) << found;
}

TEST(ImagePrepare, LetterboxLiesTopLeftOnTheFill) {
  const Resize r{Fit::letterbox, Filter::opencv_linear, 0, 114};
  const Image y = prepare_picture(filled(20, 10, 1, 7), r, 1, 4, 4);
  EXPECT_EQ(y.data, (std::vector<uint8_t>{7, 7, 114, 114, 7, 7, 114, 114, 7, 7, 114, 114, 7, 7, 114, 114}));
  // 5 x 2 pixels to 3 x 4: s = 0.6, 2 s = 1.2 columns; 2 x 5 to 5 x 5: 5 x 1 = 5, 2 x 1 = 2 rows.
  EXPECT_EQ(prepare_picture(filled(5, 2, 1, 7), r, 1, 3, 4).data,
            (std::vector<uint8_t>{7, 114, 114, 114, 7, 114, 114, 114, 7, 114, 114, 114}));
  // Half a pixel rounds to even, and nothing vanishes: 1 x 64 to 4 x 4 keeps one row.
  EXPECT_EQ(prepare_picture(filled(1, 64, 1, 7), r, 1, 2, 4).data,
            (std::vector<uint8_t>{7, 7, 7, 7, 114, 114, 114, 114}));
}

TEST(ImagePrepare, CropTakesTheCentre) {
  // The shorter side already has its size, so that pixels are only cut: (16 - 4) / 2 = 6 from the left, and
  // of the odd margins 1 / 2 rounds to 0, 3 / 2 to 2, as Python's round does.
  const auto crop = [](const Image& x, int64_t side, int64_t height, int64_t width) {
    return prepare_picture(x, {Fit::crop, Filter::bilinear, side, 0}, 1, height, width);
  };
  EXPECT_EQ(crop(ramp(4, 16), 4, 4, 4).data[0], 6);
  EXPECT_EQ(crop(ramp(5, 7), 5, 4, 4).data[0], 0 + 2);
  EXPECT_EQ(crop(ramp(7, 9), 7, 4, 4).data[0], 2 + 2);
  EXPECT_EQ(crop(ramp(9, 4), 4, 2, 2).data[0], 4 + 1);
}

TEST(ImagePrepare, GreyAndRgbBecomeWhatTheModelTakes) {
  const Resize r{Fit::stretch, Filter::bicubic, 0, 0};
  const Image rgb = prepare_picture(ramp(9, 11), r, 3, 5, 6), grey = prepare_picture(ramp(9, 11), r, 1, 5, 6);
  EXPECT_EQ(rgb, to_channels(grey, 3));
  EXPECT_EQ(prepare_picture(filled(9, 11, 3, 40), r, 1, 5, 6), filled(5, 6, 1, 40));
}

TEST(ImagePrepare, Refusals) {
  const Resize stretch{Fit::stretch, Filter::bilinear, 0, 0};
  expect_refusal([] { prepare_picture(filled(8, 9, 1, 0), {}, 1, 8, 8); },
                 "the picture has 9 x 8 pixels, the model takes 8 x 8 and its recipe has no resize");
  expect_refusal([&] { prepare_picture(filled(0, 9, 1, 0), stretch, 1, 8, 8); }, "image height: 0 is not in");
  expect_refusal([&] { prepare_picture(filled(8, 8, 4, 0), stretch, 3, 8, 8); },
                 "4 channels, expected 1 or 3");
  expect_refusal([&] { prepare_picture(filled(8, 8, 1, 0), stretch, 2, 8, 8); }, "do not become 2");
  expect_refusal([&] { prepare_picture({65536, 1, 1, {}}, stretch, 1, 8, 8); }, "65536 is not in 1..65535");
  expect_refusal([&] { prepare_picture({65535, 1025, 1, {}}, stretch, 1, 8, 8); }, "are more than 67108864");
}

TEST(ImagePrepare, EveryFitHasItsOwnMembers) {
  const auto check = [](Resize r) { check_resize(r, 10, 20, "recipe.resize"); };
  EXPECT_NO_THROW(check({}));
  EXPECT_NO_THROW(check({Fit::letterbox, Filter::bilinear, 0, 255}));
  EXPECT_NO_THROW(check({Fit::crop, Filter::bilinear, 20, 0}));
  EXPECT_NO_THROW(check({Fit::stretch, Filter::bilinear, 0, 0}));
  expect_refusal([&] { check({Fit::letterbox, Filter::bilinear, 0, 256}); }, "recipe.resize.fill: 256");
  expect_refusal([&] { check({Fit::letterbox, Filter::bilinear, 0, -1}); }, "recipe.resize.fill: -1");
  expect_refusal([&] { check({Fit::letterbox, Filter::bilinear, 9, 0}); }, "only fit crop");
  expect_refusal([&] { check({Fit::crop, Filter::bilinear, 19, 0}); }, "recipe.resize.shorter_side: 19");
  expect_refusal([&] { check({Fit::crop, Filter::bilinear, 65536, 0}); }, "65536");
  expect_refusal([&] { check({Fit::crop, Filter::bilinear, 20, 3}); }, "only fit letterbox");
  expect_refusal([&] { check({Fit::none, Filter::bilinear, 0, 3}); }, "only fit letterbox");
}

}  // namespace
}  // namespace icepoint
