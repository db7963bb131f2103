// Divisors of average pools equal torch's, and pools refuse what has no meaning.
#include "table_cases.h"

namespace icepoint {
namespace {

using Divisors = std::vector<int64_t>;

struct AvgCase {
  int64_t h, w;
  std::array<int64_t, 2> kernel, stride, padding;  // padding on both sides
  bool ceil_mode, count_include_pad;
  int64_t divisor_override;
  Divisors by_pixel;  // torch's answers, row by row
};

// avg_pool2d(ones, divisor_override=1) / avg_pool2d(ones, ...) of torch gave these.
const AvgCase kTorch[] = {
    {4, 4, {2, 2}, {2, 2}, {0, 0}, false, true, 0, {4, 4, 4, 4}},
    {5, 5, {3, 3}, {2, 2}, {1, 1}, false, true, 0, {9, 9, 9, 9, 9, 9, 9, 9, 9}},
    {5, 5, {3, 3}, {2, 2}, {1, 1}, false, false, 0, {4, 6, 4, 6, 9, 6, 4, 6, 4}},
    {5, 6, {3, 2}, {2, 2}, {1, 1}, true, true, 0, {6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6}},
    {5, 6, {3, 2}, {2, 2}, {1, 1}, true, false, 0, {2, 4, 4, 2, 3, 6, 6, 3, 2, 4, 4, 2}},
    {7, 4, {4, 3}, {3, 2}, {2, 1}, true, true, 0, {12, 12, 8, 12, 12, 8, 12, 12, 8}},
    {7, 4, {4, 3}, {3, 2}, {2, 1}, true, false, 0, {4, 6, 2, 8, 12, 4, 6, 9, 3}},
    {6, 6, {3, 3}, {2, 2}, {1, 1}, true, true, 5, {5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5}},
    {6, 6, {3, 3}, {2, 2}, {0, 0}, true, true, 0, {9, 9, 6, 9, 9, 6, 6, 6, 4}},
    {6, 6, {3, 3}, {2, 2}, {0, 0}, true, false, 0, {9, 9, 6, 9, 9, 6, 6, 6, 4}},
    {5, 5, {5, 5}, {4, 4}, {2, 2}, true, true, 0, {25, 25, 25, 25}},
};

Divisors distinct(Divisors all) {
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

// M = 120 / d: over an input of ones a pixel of t taps gets the code 120 t / d.
struct OneOverDivisor {
  std::vector<int32_t> divisors, multiplier, shift;
  explicit OneOverDivisor(const Divisors& all) {
    for (int64_t d : all) {
      const Multiplier m = quantize_multiplier(120.0 / static_cast<double>(d));
      divisors.push_back(static_cast<int32_t>(d)), multiplier.push_back(m.multiplier),
          shift.push_back(m.shift);
    }
  }
  DivisorRequant view() const { return {divisors, multiplier, shift, {0, 0, 255}}; }
};

TEST(AvgPoolDivisors, EqualTorch) {
  for (const AvgCase& c : kTorch) {
    const Extent x{c.h, c.w, 1};
    const Window w{.kernel = c.kernel,
                   .stride = c.stride,
                   .padding = {c.padding[0], c.padding[1], c.padding[0], c.padding[1]}};
    const Divisors all = distinct(c.by_pixel);
    EXPECT_EQ(avg_pool2d_divisors(x, w, c.ceil_mode, c.count_include_pad, c.divisor_override), all);

    // Each pixel uses its own: ones over M = 120 / d give 120 taps / d.
    const OneOverDivisor requant(all);
    const LayerPtr layer = make_qavg_pool2d(kernels(), x, w, c.ceil_mode, c.count_include_pad,
                                            c.divisor_override, 0, requant.view());
    const std::vector<Operand> ones{{x, std::vector<uint8_t>(x.numel(), 1)}};
    const Extent y{window_output(w, 0, x.h, c.ceil_mode), window_output(w, 1, x.w, c.ceil_mode), 1};
    const std::vector<uint8_t> averages = run_whole(*layer, ones, 1, {y});
    ASSERT_EQ(averages.size(), c.by_pixel.size());
    const Multiplier one = quantize_multiplier(1.0);
    const std::vector<int32_t> d{1}, m{one.multiplier}, s{one.shift};
    const LayerPtr summing =
        make_qavg_pool2d(kernels(), x, w, c.ceil_mode, c.count_include_pad, 1, 0, {d, m, s, {0, 0, 255}});
    const std::vector<uint8_t> sums = run_whole(*summing, ones, 1, {y});
    for (size_t i = 0; i < c.by_pixel.size(); ++i) {
      const int64_t numerator = 2 * 120 * sums[i] + c.by_pixel[i];  // rounds 120 taps / d half up
      EXPECT_EQ(int64_t{averages[i]}, std::min<int64_t>(255, numerator / (2 * c.by_pixel[i])))
          << "pixel " << i;
    }
  }
}

TEST(AvgPoolDivisors, AsymmetricPaddingCountsInsideThePaddedInput) {
  // 3 columns, padding left 0, right 1, window 2, stride 2: columns 0 1 | 2 pad
  const Window w{.kernel = {1, 2}, .stride = {1, 2}, .padding = {0, 0, 0, 1}};
  EXPECT_EQ(avg_pool2d_divisors({1, 3, 1}, w, false, true, 0), (Divisors{2}));
  EXPECT_EQ(avg_pool2d_divisors({1, 3, 1}, w, false, false, 0), (Divisors{1, 2}));
}

TEST(AdaptiveDivisors, EqualTorch) {
  EXPECT_EQ(adaptive_avg_pool2d_divisors({7, 7, 1}, {3, 3}), (Divisors{9}));
  EXPECT_EQ(adaptive_avg_pool2d_divisors({7, 5, 1}, {2, 4}), (Divisors{8}));
  EXPECT_EQ(adaptive_avg_pool2d_divisors({4, 4, 1}, {1, 1}), (Divisors{16}));
  EXPECT_EQ(adaptive_avg_pool2d_divisors({3, 3, 1}, {5, 5}), (Divisors{1, 2, 4}));
  EXPECT_EQ(adaptive_avg_pool2d_divisors({10, 6, 1}, {4, 5}), (Divisors{6}));
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(Pools, RefuseWindowsInThePaddingAlone) {
  // dilation 4 steps over the single input: columns -2 and 2
  const Window w{.kernel = {1, 2}, .padding = {0, 2, 0, 2}, .dilation = {1, 4}};
  EXPECT_EQ(refusal([&] {
              make_qmax_pool2d(kernels(), {1, 1, 1}, w, false);
            }),
            "qmax_pool2d: window 0 of axis 1 lies in the padding alone (input 1, kernel_size 2, padding 2, "
            "dilation 4)");
  EXPECT_NE(refusal([&] {
              avg_pool2d_divisors({3, 3, 1}, {.kernel = {2, 2}, .padding = {0, 0, 4, 0}}, false, true, 0);
            }),
            "");
}

TEST(Pools, RefuseADivisorWithoutAMultiplier) {
  const OneOverDivisor requant({4, 9});
  EXPECT_EQ(refusal([&] {
              make_qavg_pool2d(kernels(), {5, 5, 1},
                               {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1, 1, 1}}, false, false, 0,
                               0, requant.view());
            }),
            "qavg_pool2d.divisors: 6 occurs in this pool and has no multiplier");
}

}  // namespace
}  // namespace icepoint
