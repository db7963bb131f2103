// Output functions against long double and by hand: values, ends of the range, shapes, codes that lie
// anywhere.
#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <limits>
#include <random>

#include "core/output_function.h"
#include "random_outputs.h"

namespace icepoint {
namespace {

using Kind = OutputFunction::Kind;

template <class T = float>
std::vector<T> apply_to(const OutputFunction& f, const QParams& q, const Shape& shape,
                        const std::vector<uint8_t>& codes, int64_t n = 1) {
  std::vector<T> y(static_cast<size_t>(n * reals_of(f, shape)), T(-7));
  apply(f, shape, dense_codes(codes.data(), q, shape), 0, n * lines_of(f, shape), y.data());
  return y;
}

/// Units in the last place of float32 between a real and what it should be.
double ulps(float found, long double expected) {
  const auto near = static_cast<float>(expected);
  const float step =
      std::nextafter(std::fabs(near), std::numeric_limits<float>::infinity()) - std::fabs(near);
  return static_cast<double>(std::fabs(found - expected) / step);
}

TEST(CoreOutputFunction, OneLineAgainstLongDouble) {
  std::mt19937 random(1);
  for (float scale : {1e-3f, 0.05f, 0.7f, 6.0f, 1e6f})
    for (int64_t count : {1, 2, 10, 1000}) {
      const QParams q{scale, static_cast<int32_t>(random() % 256), 8};
      std::vector<uint8_t> codes(static_cast<size_t>(count));
      for (uint8_t& code : codes) code = static_cast<uint8_t>(random());
      std::vector<long double> x;
      for (uint8_t code : codes) x.push_back(static_cast<float>(code - q.zero_point) * scale);
      const size_t top = static_cast<size_t>(std::max_element(codes.begin(), codes.end()) - codes.begin());
      long double rest = 0;
      for (size_t i = 0; i < x.size(); ++i)
        if (i != top) rest += std::exp(x[i] - x[top]);
      const auto softmax = apply_to({Kind::softmax}, q, {count}, codes);
      const auto log_softmax = apply_to({Kind::log_softmax}, q, {count}, codes);
      const auto sigmoid = apply_to({Kind::sigmoid}, q, {count}, codes);
      for (size_t i = 0; i < x.size(); ++i) {
        EXPECT_LE(ulps(softmax[i], std::exp(x[i] - x[top]) / (1 + rest)), 0.5001);
        EXPECT_LE(ulps(log_softmax[i], x[i] - x[top] - std::log1p(rest)), 0.5001);
        EXPECT_LE(ulps(sigmoid[i], 1 / (1 + std::exp(-x[i]))), 0.5001);
      }
      EXPECT_EQ(apply_to({Kind::argmax}, q, {count}, codes), std::vector<float>{static_cast<float>(top)});
      const auto none = apply_to({}, q, {count}, codes);
      for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(none[i], static_cast<float>(x[i]));
    }
}

TEST(CoreOutputFunction, TheEndsOfTheRange) {
  const QParams huge{kMaxScale, 128, 8}, tiny{kMinScale, 0, 8};
  EXPECT_EQ(apply_to({Kind::softmax}, huge, {3}, {0, 255, 0}), (std::vector<float>{0, 1, 0}));
  EXPECT_EQ(apply_to({Kind::log_softmax}, huge, {2}, {0, 255}), (std::vector<float>{-255 * kMaxScale, 0}));
  EXPECT_EQ(apply_to({Kind::sigmoid}, huge, {3}, {0, 128, 255}), (std::vector<float>{0, 0.5f, 1}));
  EXPECT_EQ(apply_to({Kind::softmax}, tiny, {4}, {0, 255, 3, 9}), std::vector<float>(4, 0.25f));
  EXPECT_EQ(apply_to({Kind::softmax}, huge, {2}, {77, 77}), (std::vector<float>{0.5f, 0.5f}));
  // 50 below the greatest: the double nearest to 1 + e^-50 is 1, and still the logarithm is no zero.
  const auto far = apply_to({Kind::log_softmax}, {50.0f, 0, 8}, {2}, {1, 0});
  EXPECT_LE(ulps(far[0], -std::exp(-50.0L)), 0.5001);
  // Few bits order as 8 do.
  EXPECT_EQ(apply_to({Kind::argmax}, {1.0f, 3, 2}, {5}, {1, 3, 0, 3, 2}), std::vector<float>{1});
}

TEST(CoreOutputFunction, TheFloatEnvironmentOfTheCallerChangesNothing) {
  const std::vector<uint8_t> codes{1, 200, 77, 180};
  const auto expected = apply_to({Kind::softmax}, {0.1f, 9, 8}, {4}, codes);
  std::fesetround(FE_UPWARD);
  const auto found = apply_to({Kind::softmax}, {0.1f, 9, 8}, {4}, codes);
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(found, expected);
}

TEST(CoreOutputFunction, EveryAxisOfEveryRankInAnyOrderOfStorage) {
  std::mt19937 random(2);
  const QParams q{0.05f, 100, 8};
  for (const Shape& shape : {Shape{6}, Shape{3, 5}, Shape{4, 2, 3}, Shape{1, 7, 1}})
    for (int64_t axis = 0; axis < std::ssize(shape); ++axis)
      for (Kind kind : {Kind::softmax, Kind::log_softmax, Kind::argmax}) {
        const OutputFunction f{kind, axis};
        constexpr int64_t kImages = 2;
        const int64_t count = *numel(shape);
        std::vector<uint8_t> codes(static_cast<size_t>(kImages * count));
        for (uint8_t& code : codes) code = static_cast<uint8_t>(random() % 8 * 30);  // with ties
        const auto found = apply_to(f, q, shape, codes, kImages);

        // The same image by image, line by line, as vectors of their own.
        int64_t inner = 1, length = shape[static_cast<size_t>(axis)];
        for (size_t d = static_cast<size_t>(axis) + 1; d < shape.size(); ++d) inner *= shape[d];
        const int64_t outer = kImages * count / (inner * length);
        for (int64_t o = 0; o < outer; ++o)
          for (int64_t i = 0; i < inner; ++i) {
            std::vector<uint8_t> line;
            for (int64_t k = 0; k < length; ++k)
              line.push_back(codes[static_cast<size_t>((o * length + k) * inner + i)]);
            const auto alone = apply_to({kind, 0}, q, {length}, line);
            for (size_t k = 0; k < alone.size(); ++k) {
              const auto reals = static_cast<int64_t>(alone.size());
              EXPECT_EQ(found[static_cast<size_t>((o * reals + static_cast<int64_t>(k)) * inner + i)],
                        alone[k]);
            }
          }

        // (c, h, w) stored as (h, w, c), with a gap behind each image; and in two parts.
        if (shape.size() != 3) continue;
        const int64_t c = shape[0], w = shape[2], image = count + 5;
        std::vector<uint8_t> stored(static_cast<size_t>(kImages * image), 255);
        for (int64_t n = 0; n < kImages; ++n)
          for (int64_t e = 0; e < count; ++e)
            stored[static_cast<size_t>(n * image + e % (count / c) * c + e / (count / c))] =
                codes[static_cast<size_t>(n * count + e)];
        const LaidValues laid{.data = stored.data(), .image = image, .step = {1, w * c, c}, .q = q};
        std::vector<float> again(found.size(), -1);
        const int64_t lines = kImages * lines_of(f, shape);
        apply(f, shape, laid, 0, lines / 2, again.data());
        apply(f, shape, laid, lines / 2, lines, again.data());
        EXPECT_EQ(again, found);
      }
}

TEST(CoreOutputFunction, Shapes) {
  const Shape shape{4, 2, 3};
  EXPECT_EQ(shape_after({Kind::softmax, 1}, shape), shape);
  EXPECT_EQ(shape_after({Kind::argmax, 1}, shape), (Shape{4, 3}));
  EXPECT_EQ(shape_after({Kind::argmax, 1, true}, shape), (Shape{4, 1, 3}));
  EXPECT_EQ(shape_after({Kind::argmax, 0}, {9}), Shape{});
  EXPECT_EQ(reals_of({Kind::argmax, 0}, {9}), 1);
  EXPECT_EQ(reals_of({Kind::sigmoid}, shape), 24);
  EXPECT_EQ(lines_of({Kind::softmax, 0}, shape), 6);
}

TEST(CoreOutputFunction, Refusals) {
  const auto refused = [](const OutputFunction& f, const Shape& shape) -> std::string {
    try {
      check_output_function(f, shape, "y");
      return "accepted";
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refused({Kind::softmax, 2}, {4, 2, 3}), "accepted");
  EXPECT_EQ(refused({Kind::softmax, 3}, {4, 2, 3}), "y.axis: 3 is not in 0..2");
  EXPECT_EQ(refused({Kind::argmax, -1}, {4}), "y.axis: -1 is not in 0..0");
  EXPECT_EQ(refused({Kind::argmax, INT64_MAX}, {4}), "y.axis: 9223372036854775807 is not in 0..0");
  EXPECT_EQ(refused({Kind::sigmoid, 1}, {4, 2, 3}), "y.axis: 1 is not in 0..0");
  EXPECT_EQ(refused({Kind::softmax, 0, true}, {4}), "y.keepdim: only argmax has one");
  EXPECT_EQ(refused({Kind::argmax, 0}, {1 << 24}), "accepted");
  EXPECT_EQ(refused({Kind::argmax, 0}, {(1 << 24) + 1}),
            "y.axis: argmax over 16777217 codes, at most 16777216 have an index that float32 holds");
}

}  // namespace
}  // namespace icepoint
