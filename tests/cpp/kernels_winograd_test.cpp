// 3x3 convolutions by tiles give the reference's bytes, up to the last accumulator that they can tell apart.
#include "conv_cases.h"
#include "kernels/wide/winograd_plan.h"

namespace icepoint {
namespace {

class WinogradTables : public TableTest {};
INSTANTIATE_TABLES(WinogradTables);

constexpr int64_t kLimit = (int64_t{1} << 26) - 2;  // of 255 times a channel's magnitudes

TEST_P(WinogradTables, AnyMap) {
  for (uint32_t seed = 8000; seed < 8040; ++seed) {
    CaseData data(seed);
    ConvCase c;
    c.groups = 1;
    c.x = {data.pick(10, 22), data.pick(10, 22), data.one_of<int64_t>({32, 33, 40, 64, 65, 96})};
    c.oc = data.one_of<int64_t>({32, 33, 48, 64, 70, 100});
    c.window.kernel = {3, 3};
    for (int64_t& side : c.window.padding) side = data.pick(0, 2);
    c.requantize = !data.chance(4);
    expect_equal_conv(table(), c, data);
    if (HasFatalFailure()) return;
  }
}

struct Border {
  int64_t ic;
  int16_t first, others;  // weights
  bool tiles;
};

/// A convolution of 32 channels whose magnitudes lie at the border, over inputs that reach it.
void expect_equal_border(const Kernels& table, const Border& b) {
  SCOPED_TRACE(testing::Message() << "ic " << b.ic << " first " << b.first << " others " << b.others);
  constexpr int64_t kChannels = 32;
  const Extent x{16, 16, b.ic};
  const Window window{.kernel = {3, 3}, .padding = {1, 1, 1, 1}};
  std::vector<int16_t> weights(kChannels * 9 * b.ic, b.others);
  // Channels of one sign reach one end, channels of both signs the other one.
  for (int64_t c = 0; c < kChannels; ++c) {
    for (int64_t k = 0; k < 9 * b.ic; ++k)
      if (c % 3 == 1 || (c % 3 == 2 && k % 2 == 1))
        weights[c * 9 * b.ic + k] = static_cast<int16_t>(-b.others);
    weights[c * 9 * b.ic] = b.first;
  }
  const HeldRows rows(weights, 9 * b.ic);
  const int64_t magnitude = (9 * b.ic - 1) * std::abs(b.others) + std::abs(b.first);
  EXPECT_EQ(255 * magnitude < kLimit, b.tiles);
  const std::vector<int32_t> bias(kChannels, 0);
  const Conv2dSpec spec{
      .g = {.h = 16, .w = 16, .ic = b.ic, .oh = 16, .ow = 16, .oc = kChannels, .window = window},
      .x_pixel = b.ic,
      .x_zero_point = 0,
      .kind = WeightKind::i8,
      .weight = &rows,
      .offset = nullptr,
      .bias = bias.data(),
      .requant = nullptr,
      .residual = nullptr};
  EXPECT_EQ(wide::winograd_fits(spec), b.tiles);
  for (int64_t fill : {255, 0, -1}) {  // all most, all least, both in turn
    CaseData data(static_cast<uint32_t>(b.ic));
    std::vector<uint8_t> codes(static_cast<size_t>(x.numel()));
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<uint8_t>(fill >= 0 ? fill : (i % 2 == 0 ? 255 : 0));
    expect_equal_tables(
        table,
        [&](const Kernels& k) {
          return make_qconv2d(k, x, window, 1, kChannels, 3, {rows, WeightKind::i8, {}, {}}, {}, {});
        },
        {Operand{x, codes, 3, b.ic}}, 1, Result{{16, 16, kChannels}, 4}, data, "at the border");
  }
}

TEST_P(WinogradTables, AccumulatorsToTheLastOneThatIsKnown) {
  // 9 * 230 * 127 = 262890 and 9 * 236 * 124 = 263376: below and above (2^26 - 2) / 255 = 263172.5.
  expect_equal_border(table(), {230, 127, 127, true});
  expect_equal_border(table(), {236, 124, 124, false});
  // A weight of -128, which symmetric weights never have and affine ones of few bits may.
  expect_equal_border(table(), {233, -128, 125, true});
}

}  // namespace
}  // namespace icepoint
