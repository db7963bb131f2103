// Every operator of every table against numbers made by hand from docs/numerics.md.
#include "table_cases.h"

namespace icepoint {
namespace {

class HandMade : public TableTest {
 protected:
  using Bytes = std::vector<uint8_t>;
  using Ints = std::vector<int32_t>;

  static Bytes run(const LayerPtr& layer, const std::vector<Operand>& xs, Extent y) {
    return run_whole(*layer, xs, 1, {y});
  }
  static Ints run_int32(const LayerPtr& layer, const Operand& x, Extent y) {
    const Bytes bytes = run_whole(*layer, {x}, 1, {y, 4});
    Ints values(y.numel());
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  LayerPtr conv2d(Extent x, const Window& window, int64_t groups, int64_t oc, int32_t x_zero_point,
                  const WeightSpan& w, const std::optional<ChannelRequant>& requant) const {
    const SpanRows rows(w, oc, x.c / groups, window.kernel[0] * window.kernel[1]);
    return make_qconv2d(table(), x, window, groups, oc, x_zero_point, {rows, rows.kind(), {}, w.bias},
                        requant);
  }
  LayerPtr linear(Extent x, int64_t out, int32_t x_zero_point, const WeightSpan& w,
                  const std::optional<ChannelRequant>& requant) const {
    const SpanRows rows(w, out, x.c, 1);
    return make_qlinear(table(), x, out, x_zero_point, {rows, rows.kind(), {}, w.bias}, requant);
  }
};
INSTANTIATE_TABLES(HandMade);

// multiplier and shift of 0.5, 1 and 2
constexpr int32_t kMultiplier = 1 << 30, kHalf = 31, kOne = 30, kTwo = 29;

ChannelRequant requant_of(const std::vector<int32_t>& m, const std::vector<int32_t>& s, OutputRange out) {
  return {m, s, out};
}

TEST_P(HandMade, Conv2d) {
  const Extent in{3, 3, 1}, out{2, 2, 1};
  const Bytes x{1, 2, 3, 4, 5, 6, 7, 8, 9};  // zero point 1: 0..8
  const std::vector<int8_t> w{1, -1, 2, 0};
  const Ints zero{0}, bias{10}, m{kMultiplier}, s{kHalf};
  const Window window{.kernel = {2, 2}};
  // 10 + (a - b + 2 c) over the windows (a b / c d)
  EXPECT_EQ(run_int32(conv2d(in, window, 1, 1, 1, {w, zero, bias}, {}), {in, x}, out),
            (Ints{15, 17, 21, 23}));
  // halves round up: 7.5, 8.5, 10.5, 11.5; zero point 3
  EXPECT_EQ(run(conv2d(in, window, 1, 1, 1, {w, zero, bias}, requant_of(m, s, {3, 0, 255})), {{in, x}}, out),
            (Bytes{11, 12, 14, 15}));
  EXPECT_EQ(run(conv2d(in, window, 1, 1, 1, {w, zero, bias}, requant_of(m, s, {3, 12, 14})), {{in, x}}, out),
            (Bytes{12, 12, 14, 14}));
}

TEST_P(HandMade, Conv2dPaddingReadsAsTheZeroPoint) {
  // One pixel 9 with zero point 7 is 2; around it only zeros. Padding top 1, right 1.
  const std::vector<int8_t> w{1, 2, 3, 4};
  const Ints zero{0}, bias{100};
  const Window window{.kernel = {2, 2}, .padding = {1, 0, 0, 1}};
  // kernel over (0 0 / 9 0): the pixel meets w[1][0] = 3
  EXPECT_EQ(
      run_int32(conv2d({1, 1, 1}, window, 1, 1, 7, {w, zero, bias}, {}), {{1, 1, 1}, {9}, 7}, {1, 1, 1}),
      (Ints{106}));
}

TEST_P(HandMade, Conv2dGroupsStridesDilationsAndWeightZeroPoints) {
  // Two groups of two channels, one output each; columns 0 and 2 of 1 x 4 pixels.
  const Bytes x{1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0};  // (w, c)
  // weight (oc, ic / groups, 1, 2): channel-major, taps last; zero points 1 and -1
  const std::vector<int8_t> w{1, 3, 2, 1, 0, -1, 4, -2};
  const Ints zero{1, -1}, bias{0, 1000};
  const Window window{.kernel = {1, 2}, .stride = {1, 2}, .dilation = {1, 2}};
  // oc 0: w' = (0, 2 / 1, 0): 1 * 0 + 5 * 2 + 2 * 1 + 6 * 0 = 12
  // oc 1: w' = (1, 0 / 5, -1): 3 * 1 + 7 * 0 + 4 * 5 + 8 * -1 = 15
  EXPECT_EQ(run_int32(conv2d({1, 4, 4}, window, 2, 2, 0, {w, zero, bias}, {}), {{1, 4, 4}, x}, {1, 1, 2}),
            (Ints{12, 1015}));
}

TEST_P(HandMade, Depthwise) {
  // Nine channels, kernel 2 x 1: y[c] = x[0][c] * (c + 1) - x[1][c]
  Bytes x(18);
  std::vector<int8_t> w(18);
  Ints expected(9);
  for (int c = 0; c < 9; ++c) {
    x[c] = static_cast<uint8_t>(c), x[9 + c] = static_cast<uint8_t>(200 + c);
    w[2 * c] = static_cast<int8_t>(c + 1), w[2 * c + 1] = -1;
    expected[c] = c * (c + 1) - (200 + c);
  }
  EXPECT_EQ(run_int32(conv2d({2, 1, 9}, {.kernel = {2, 1}}, 9, 9, 0, {w, Ints{0}, {}}, {}), {{2, 1, 9}, x},
                      {1, 1, 9}),
            expected);
}

TEST_P(HandMade, LinearReachesTheExtremes) {
  // 255 * -128 * 5 and its like: what a 16-bit sum would saturate.
  const std::vector<int8_t> w{-128, -128, -128, -128, -128, 127, 127, 127, 127, 127};
  const Ints zero{0}, minus{127, -128};
  const Extent in{1, 1, 5}, out{1, 1, 2};
  const Bytes x(5, 255);
  EXPECT_EQ(run_int32(linear(in, 2, 0, {w, zero, {}}, {}), {in, x}, out), (Ints{-163200, 161925}));
  // centred to -255 and 255
  EXPECT_EQ(run_int32(linear(in, 2, 0, {w, minus, {}}, {}), {in, x}, out), (Ints{-325125, 325125}));
  // a zero point of 255 turns both around
  EXPECT_EQ(run_int32(linear(in, 2, 255, {w, minus, {}}, {}), {in, Bytes(5, 0), 255}, out),
            (Ints{325125, -325125}));
}

TEST_P(HandMade, LinearPerChannelRequant) {
  const std::vector<int8_t> w{1, 2, 3, 4, -5, -6};
  const Ints zero{0}, bias{0, 1, -1}, m{kMultiplier, kMultiplier, kMultiplier}, s{kOne, kTwo, kHalf};
  // x = (3, 2): 7, 18, -28; times 1, 2, 0.5
  EXPECT_EQ(run(linear({1, 1, 2}, 3, 1, {w, zero, bias}, requant_of(m, s, {20, 0, 255})),
                {{{1, 1, 2}, {4, 3}}}, {1, 1, 3}),
            (Bytes{27, 56, 6}));
}

TEST_P(HandMade, ConvTranspose2d) {
  // One row (2, 3), stride 2, kernel 1 x 3 (1 10 100): stamps 2 20 200 . . and . . 3 30 300
  const Operand x{{1, 2, 1}, {3, 4}};
  const std::vector<int8_t> w{1, 10, 100};
  const Ints zero{0}, bias{5}, m{kMultiplier}, s{kOne};
  const auto layer = [&](int64_t ow, std::array<int64_t, 4> padding) {
    return make_qconv_transpose2d(table(), {1, 2, 1}, {1, ow, 1},
                                  {.kernel = {1, 3}, .stride = {1, 2}, .padding = padding}, 1, 1,
                                  {w, zero, bias}, requant_of(m, s, {0, 0, 255}));
  };
  EXPECT_EQ(run(layer(5, {0, 0, 0, 0}), {x}, {1, 5, 1}), (Bytes{7, 25, 208, 35, 255}));
  EXPECT_EQ(run(layer(3, {0, 1, 0, 1}), {x}, {1, 3, 1}), (Bytes{25, 208, 35}));
  EXPECT_EQ(run(layer(6, {0, 0, 0, 0}), {x}, {1, 6, 1}),
            (Bytes{7, 25, 208, 35, 255, 5}));  // output_padding 1
}

TEST_P(HandMade, ConvTranspose2dGroupsAndAxisOne) {
  // (ic 2, oc / groups 2), two groups, 1 x 1; zero points of the four output channels 0, 1, 2, 3
  const std::vector<int8_t> w{5, 6, 7, 8};
  const Ints zero{0, 1, 2, 3}, m{kMultiplier}, s{kOne};
  EXPECT_EQ(run(make_qconv_transpose2d(table(), {1, 1, 2}, {1, 1, 4}, {}, 2, 0, {w, zero, {}},
                                       requant_of(m, s, {0, 0, 255})),
                {{{1, 1, 2}, {2, 3}}}, {1, 1, 4}),
            (Bytes{10, 10, 15, 15}));
}

TEST_P(HandMade, MaxPoolPaddingNeverWins) {
  const Operand x{{3, 3, 1}, {5, 1, 0, 9, 3, 4, 7, 2, 6}};
  EXPECT_EQ(run(make_qmax_pool2d(table(), {3, 3, 1}, {.kernel = {2, 2}}, false), {x}, {2, 2, 1}),
            (Bytes{9, 4, 9, 6}));
  EXPECT_EQ(
      run(make_qmax_pool2d(table(), {3, 3, 1}, {.kernel = {2, 2}, .stride = {2, 2}}, true), {x}, {2, 2, 1}),
      (Bytes{9, 4, 7, 6}));
  EXPECT_EQ(run(make_qmax_pool2d(table(), {3, 3, 1},
                                 {.kernel = {2, 2}, .stride = {2, 2}, .padding = {1, 1, 1, 1}}, false),
                {x}, {2, 2, 1}),
            (Bytes{5, 1, 9, 6}));
  EXPECT_EQ(run(make_qmax_pool2d(table(), {3, 3, 1}, {.kernel = {2, 2}, .dilation = {2, 2}}, false), {x},
                {1, 1, 1}),
            (Bytes{7}));
  EXPECT_EQ(run(make_qmax_pool2d(table(), {1, 1, 2}, {.kernel = {3, 3}, .padding = {1, 1, 1, 1}}, false),
                {{{1, 1, 2}, {0, 8}}}, {1, 1, 2}),
            (Bytes{0, 8}));
}

TEST_P(HandMade, AvgPool) {
  // Padding 1, window 2, stride 2 over (10 20 30 40): sums 10 | 50 | 40 over 1, 2, 1 taps, zero point 10
  const Ints divisors{1, 2}, m{kMultiplier, kMultiplier}, s{kOne, kHalf};  // M = 1 / d
  const Window window{.kernel = {1, 2}, .stride = {1, 2}, .padding = {0, 1, 0, 1}};
  const Operand x{{1, 4, 1}, {10, 20, 30, 40}};
  EXPECT_EQ(
      run(make_qavg_pool2d(table(), {1, 4, 1}, window, false, false, 0, 10, {divisors, m, s, {100, 0, 255}}),
          {x}, {1, 3, 1}),
      (Bytes{100, 115, 130}));
  // count_include_pad divides by 2 everywhere: 0, 15, 15
  EXPECT_EQ(
      run(make_qavg_pool2d(table(), {1, 4, 1}, window, false, true, 0, 10, {divisors, m, s, {100, 0, 255}}),
          {x}, {1, 3, 1}),
      (Bytes{100, 115, 115}));
  // divisor_override 1: the sums themselves
  EXPECT_EQ(
      run(make_qavg_pool2d(table(), {1, 4, 1}, window, false, true, 1, 10, {divisors, m, s, {100, 0, 255}}),
          {x}, {1, 3, 1}),
      (Bytes{100, 130, 130}));
}

TEST_P(HandMade, AdaptiveAvgPool) {
  // 3 columns to 2: (1 + 4) / 2 and (4 + 8) / 2; 2.5 rounds up
  const Ints divisors{2}, m{kMultiplier}, s{kHalf};
  EXPECT_EQ(run(make_qadaptive_avg_pool2d(table(), {1, 3, 1}, {1, 2}, 0, {divisors, m, s, {0, 0, 255}}),
                {{{1, 3, 1}, {1, 4, 8}}}, {1, 2, 1}),
            (Bytes{3, 6}));
}

TEST_P(HandMade, AddAndSub) {
  // 5 + ((a - 1) 3 + (b - 2) 2 + 2 >> 2), one rounding for the sum
  const Extent e{1, 1, 9};
  const Operand a{e, {1, 2, 3, 4, 1, 1, 1, 255, 0}}, b{e, {2, 2, 2, 2, 3, 4, 0, 255, 0}};
  EXPECT_EQ(run(make_qadd(table(), e, e, 1, 3, 2, 2, 2, {5, 0, 255}), {a, b}, e),
            (Bytes{5, 6, 7, 7, 6, 6, 4, 255, 3}));
  EXPECT_EQ(run(make_qadd(table(), e, e, 1, 3, 2, -2, 2, {5, 5, 60}), {a, b}, e),
            (Bytes{5, 6, 7, 7, 5, 5, 6, 60, 5}));
  // the widest factors: 255 (2^21 - 1) twice, and its negative
  EXPECT_EQ(run(make_qadd(table(), e, e, 0, 2097151, 0, 2097151, 21, {0, 0, 255}), {a, b}, e),
            (Bytes{3, 4, 5, 6, 4, 5, 1, 255, 0}));
  EXPECT_EQ(run(make_qadd(table(), e, e, 0, -2097151, 0, -2097151, 22, {255, 0, 255}), {a, b}, e),
            (Bytes{254, 253, 253, 252, 253, 253, 255, 0, 255}));
}

TEST_P(HandMade, MulAndBroadcast) {
  const Operand a{{1, 2, 2}, {2, 3, 4, 0}}, b{{1, 1, 2}, {5, 1}};  // b is one value per channel
  // 10 + (a - 1)(b - 2) / 2
  EXPECT_EQ(
      run(make_qmul(table(), {1, 2, 2}, {1, 1, 2}, 1, 2, kMultiplier, kHalf, {10, 0, 255}), {a, b}, a.extent),
      (Bytes{12, 9, 15, 11}));
  EXPECT_EQ(run(make_qadd(table(), {1, 2, 2}, {1, 1, 2}, 0, 2, 0, 2, 1, {0, 0, 255}), {a, b}, a.extent),
            (Bytes{7, 4, 9, 1}));
}

TEST_P(HandMade, Affine) {
  // channel 0: (x - 1) 3 + 2 + 2 >> 2; channel 1: (x - 1) -5 + 100 + 1 >> 1; zero point 7
  const Ints m{3, -5}, b{2, 100}, s{2, 1};
  EXPECT_EQ(
      run(make_qaffine(table(), {1, 2, 2}, 1, m, b, s, {7, 0, 255}), {{{1, 2, 2}, {1, 1, 4, 22}}}, {1, 2, 2}),
      (Bytes{8, 57, 10, 5}));
}

TEST_P(HandMade, LookupAndClamp) {
  Bytes turned(256), both(512);  // 255 - x; x for channel 0 and x / 2 for channel 1
  for (int i = 0; i < 256; ++i)
    turned[255 - i] = both[i] = static_cast<uint8_t>(i), both[256 + i] = static_cast<uint8_t>(i / 2);
  const Extent e{1, 2, 2};
  const Operand x{e, {0, 1, 128, 255}};
  EXPECT_EQ(run(make_lookup(table(), e, turned), {x}, e), (Bytes{255, 254, 127, 0}));
  EXPECT_EQ(run(make_lookup(table(), e, both), {x}, e), (Bytes{0, 0, 128, 127}));
  EXPECT_EQ(run(make_clamp(table(), e, 1, 200), {x}, e), (Bytes{1, 1, 128, 200}));
}

TEST_P(HandMade, ConcatRequantizes) {
  // the second input is moved by Q(x - 4) with M = 0.5 to zero point 10
  const std::vector<Extent> extents{{1, 2, 1}, {1, 2, 2}};
  const Ints zero{10, 4}, m{kMultiplier, kMultiplier}, s{kOne, kHalf};
  EXPECT_EQ(run(make_qconcat(table(), extents, 2, zero, m, s, {true, false}, {10, 0, 255}),
                {{extents[0], {1, 2}}, {extents[1], {4, 5, 0, 255}}}, {1, 2, 3}),
            (Bytes{1, 10, 11, 2, 8, 136}));
}

TEST_P(HandMade, UpsampleBilinear) {
  // torch's positions: 20 and 60 become 20 30 50 60
  EXPECT_EQ(
      run(make_upsample_bilinear(table(), {1, 2, 1}, {1, 4}, false), {{{1, 2, 1}, {20, 60}}}, {1, 4, 1}),
      (Bytes{20, 30, 50, 60}));
  EXPECT_EQ(run(make_upsample_bilinear(table(), {1, 2, 1}, {2, 5}, true), {{{1, 2, 1}, {20, 60}}}, {2, 5, 1}),
            (Bytes{20, 30, 40, 50, 60, 20, 30, 40, 50, 60}));
  // 20 + 80/3, 20 + 40 ...: 20, 25.7, 42.9, 60, 77.1, 94.3, 100
  EXPECT_EQ(
      run(make_upsample_bilinear(table(), {3, 1, 1}, {7, 1}, false), {{{3, 1, 1}, {20, 60, 100}}}, {7, 1, 1}),
      (Bytes{20, 26, 43, 60, 77, 94, 100}));
  // halves round up: (0 + 1) / 2 and (0 + 0 + 0 + 2) / 4
  EXPECT_EQ(
      run(make_upsample_bilinear(table(), {2, 2, 1}, {3, 3}, true), {{{2, 2, 1}, {0, 1, 0, 2}}}, {3, 3, 1}),
      (Bytes{0, 1, 1, 0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(
      run(make_upsample_bilinear(table(), {1, 1, 2}, {2, 2}, false), {{{1, 1, 2}, {255, 3}}}, {2, 2, 2}),
      (Bytes{255, 3, 255, 3, 255, 3, 255, 3}));
}

}  // namespace
}  // namespace icepoint
