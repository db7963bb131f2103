// Shapes, window arithmetic against torch's own answers, and the overflow bound.
#include <gtest/gtest.h>

#include <random>

#include "core/overflow.h"
#include "core/shape.h"

namespace icepoint {
namespace {

struct WindowCase {
  int64_t in, kernel, stride, lo, hi, dilation;
  bool ceil_mode;
  int64_t out;
};

int64_t output(const WindowCase& c, int axis) {
  Window w;
  w.kernel[axis] = c.kernel, w.stride[axis] = c.stride, w.dilation[axis] = c.dilation;
  w.padding[axis] = c.lo, w.padding[axis + 2] = c.hi;
  return window_output(w, axis, c.in, c.ceil_mode);
}

TEST(WindowOutput, EqualsTorch) {
  const WindowCase cases[] = {
      // torch.nn.functional.max_pool2d
      {5, 2, 2, 0, 0, 1, false, 2},
      {5, 2, 2, 0, 0, 1, true, 3},
      {5, 3, 2, 1, 1, 1, false, 3},
      {5, 3, 2, 1, 1, 1, true, 3},
      {6, 3, 2, 1, 1, 1, true, 4},
      {7, 3, 3, 1, 1, 1, true, 3},
      {7, 2, 3, 1, 1, 1, true, 3},
      {2, 2, 2, 1, 1, 1, true, 2},
      {2, 2, 3, 1, 1, 1, true, 1},
      {4, 2, 5, 1, 1, 1, true, 1},
      {10, 3, 4, 0, 0, 2, true, 3},
      {13, 2, 2, 0, 0, 1, false, 6},
      {13, 2, 2, 0, 0, 1, true, 7},
      {28, 3, 1, 0, 0, 1, false, 26},
      {224, 7, 2, 3, 3, 1, false, 112},
      {112, 3, 2, 1, 1, 1, false, 56},
      {112, 3, 2, 1, 1, 1, true, 57},
      {3, 3, 7, 1, 1, 1, true, 1},
      {17, 5, 3, 2, 2, 3, false, 3},
      {17, 5, 3, 2, 2, 3, true, 4},
      {9, 1, 4, 0, 0, 1, true, 3},
      {9, 1, 4, 0, 0, 1, false, 3},
      // torch.nn.functional.conv1d behind an asymmetric pad
      {5, 3, 1, 0, 1, 1, false, 4},
      {5, 3, 2, 2, 0, 1, false, 3},
      {6, 2, 2, 0, 3, 2, false, 4},
      {8, 5, 3, 4, 1, 1, false, 3},
      {1, 3, 1, 1, 2, 1, false, 2},
      {7, 3, 4, 5, 6, 3, false, 3},
      // a kernel larger than the padded input has no output
      {2, 5, 1, 1, 1, 1, false, 0},
      {2, 5, 1, 1, 1, 1, true, 0},
      {65535, 65535, 65535, 65535, 65535, 65535, false, 0},
  };
  for (const WindowCase& c : cases)
    for (int axis : {0, 1})
      EXPECT_EQ(output(c, axis), c.out)
          << "in " << c.in << " kernel " << c.kernel << " stride " << c.stride << " padding " << c.lo << ","
          << c.hi << " dilation " << c.dilation << " ceil_mode " << c.ceil_mode << " axis " << axis;
}

TEST(CheckWindow, NamesTheField) {
  EXPECT_NO_THROW(check_window({{3, 65535}, {1, 65535}, {0, 1, 2, 65535}, {1, 65535}}, "conv"));
  for (int64_t bad : {int64_t{-1}, int64_t{0}, int64_t{65536}, int64_t{1} << 40}) {
    EXPECT_THROW(check_window({.kernel = {1, bad}}, "conv"), std::invalid_argument) << bad;
    EXPECT_THROW(check_window({.stride = {bad, 1}}, "conv"), std::invalid_argument) << bad;
    EXPECT_THROW(check_window({.dilation = {bad, 1}}, "conv"), std::invalid_argument) << bad;
    if (bad != 0) {
      EXPECT_THROW(check_window({.padding = {0, 0, bad, 0}}, "conv"), std::invalid_argument) << bad;
    }
  }
  try {
    check_window({.stride = {1, 0}}, "ops[12]");
    FAIL() << "stride 0 was accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "ops[12].stride: 0 is not in 1..65535");
  }
}

TEST(Numel, SaysWhatDoesNotFit) {
  EXPECT_EQ(numel({}), 1);
  EXPECT_EQ(numel({3, 4, 5}), 60);
  EXPECT_EQ(numel({3, 0, 5}), 0);
  EXPECT_EQ(numel({-1}), std::nullopt);
  EXPECT_EQ(numel({0, -1}), std::nullopt);
  EXPECT_EQ(numel({int64_t{1} << 33, int64_t{1} << 33}), std::nullopt);
  EXPECT_EQ(numel({0, int64_t{1} << 62, 4}), std::nullopt);  // a zero hides no overflow
  EXPECT_EQ(to_string(Shape{1, 28, 28}), "(1, 28, 28)");
  EXPECT_EQ(to_string(Shape{}), "()");
}

TEST(AccumulateBounds, AreReachedAndNeverPassed) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 500; ++trial) {
    const int bits = 2 + trial % 7, qmax = (1 << bits) - 1, zero = static_cast<int>(random() % (qmax + 1));
    const int32_t bias = static_cast<int32_t>(random()) >> 8;
    std::vector<int16_t> w(1 + random() % 40);
    for (int16_t& v : w) v = static_cast<int16_t>(static_cast<int>(random() % 511) - 255);
    const Bounds bounds = accumulate_bounds(w.data(), static_cast<int64_t>(w.size()), bias, zero, qmax);
    int64_t most = bias, least = bias, some = bias;
    for (int16_t v : w) {
      most += v * ((v > 0 ? qmax : 0) - zero);
      least += v * ((v > 0 ? 0 : qmax) - zero);
      some += v * (static_cast<int>(random() % (qmax + 1)) - zero);
    }
    EXPECT_EQ(bounds, (Bounds{least, most})) << "trial " << trial;
    EXPECT_TRUE(bounds.lo <= some && some <= bounds.hi) << "trial " << trial;
  }
}

TEST(AccumulateBounds, TheProofEndsAtInt32) {
  const std::vector<int16_t> w(33025, 255);  // 255 * 255 * 33025 = 2^31 - 33023
  EXPECT_TRUE(accumulate_bounds(w.data(), 33025, 33022, 0, 255).fits_int32());
  EXPECT_FALSE(accumulate_bounds(w.data(), 33025, 33023, 0, 255).fits_int32());
  EXPECT_TRUE(accumulate_bounds(w.data(), 33025, -33023, 255, 255).fits_int32());
  EXPECT_FALSE(accumulate_bounds(w.data(), 33025, -33024, 255, 255).fits_int32());
}

}  // namespace
}  // namespace icepoint
