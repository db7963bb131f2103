// Convolutions by Strassen's products give the reference's bytes, at the ends of their operands' ranges too.
#include "conv_cases.h"
#include "kernels/wide/strassen_plan.h"

namespace icepoint {
namespace {

class StrassenTables : public TableTest {};
INSTANTIATE_TABLES(StrassenTables);

constexpr int64_t kPairs[] = {8, 16};  // channels of a pair of vectors: portable, avx2

int64_t levels_of(const ConvCase& c, WeightKind kind, int64_t pair_channels) {
  const Extent y = c.y();
  const Conv2dSpec spec{.g = {c.x.h, c.x.w, c.x.c, y.h, y.w, c.oc, c.window, c.groups},
                        .x_pixel = c.x.c,
                        .x_zero_point = 0,
                        .kind = kind,
                        .weight = nullptr,
                        .offset = nullptr,
                        .bias = nullptr,
                        .requant = nullptr,
                        .residual = nullptr};
  return wide::strassen_levels(spec, pair_channels);
}

TEST(Strassen, WhereItIsWorthIt) {
  for (const int64_t pair : kPairs) {
    EXPECT_EQ(levels_of({{7, 7, 64}, {.kernel = {1, 1}}, 1, 64}, WeightKind::i8, pair), 1);
    EXPECT_EQ(levels_of({{7, 7, 256}, {.kernel = {1, 1}}, 1, 256}, WeightKind::i8, pair), 2);
    EXPECT_EQ(levels_of({{7, 7, 256}, {.kernel = {1, 1}}, 1, 256}, WeightKind::i16, pair), 2);
    EXPECT_EQ(levels_of({{7, 7, 256}, {.kernel = {1, 1}}, 1, 256}, WeightKind::i4, pair), 0);
    EXPECT_EQ(levels_of({{7, 7, 256}, {.kernel = {1, 1}}, 2, 256}, WeightKind::i8, pair), 0);
    EXPECT_EQ(levels_of({{1, 1, 256}, {.kernel = {1, 1}}, 1, 256}, WeightKind::i8, pair), 0);
    EXPECT_EQ(levels_of({{9, 9, 48}, {.kernel = {1, 1}}, 1, 64}, WeightKind::i8, pair), 0);
    EXPECT_EQ(levels_of({{9, 9, 64}, {.kernel = {1, 1}}, 1, 48}, WeightKind::i8, pair), pair == 8 ? 1 : 0);
  }
}

TEST_P(StrassenTables, AnyWindow) {
  for (uint32_t seed = 9000; seed < 9050; ++seed) {
    CaseData data(seed);
    ConvCase c;
    c.groups = 1;
    c.x = {data.pick(6, 12), data.pick(6, 12), data.one_of<int64_t>({32, 64, 90, 96, 128, 250})};
    c.oc = data.one_of<int64_t>({32, 62, 64, 96, 250, 256});
    for (int axis : {0, 1}) {
      c.window.kernel[axis] = data.one_of<int64_t>({1, 1, 2, 3});
      c.window.stride[axis] = data.pick(1, 2), c.window.dilation[axis] = data.pick(1, 2);
    }
    for (int64_t& side : c.window.padding) side = data.pick(0, 1);
    c.requantize = !data.chance(4);
    expect_equal_conv(table(), c, data);
    if (HasFatalFailure()) return;
  }
}

/// Weights of +-255 in the blocks' patterns that the factors of two levels add up to their ends, codes of 0
/// and 255 likewise.
TEST_P(StrassenTables, OperandsAtTheirEnds) {
  constexpr int64_t kIc = 128, kOc = 256;
  const Extent x{6, 8, kIc};
  const ConvCase c{x, {.kernel = {1, 1}}, 1, kOc};
  for (const int64_t pair : kPairs) ASSERT_EQ(levels_of(c, WeightKind::i16, pair), 2);
  for (uint32_t seed = 9100; seed < 9116; ++seed) {
    CaseData data(seed);
    // One bit a part of 1/4, so that every block of 4 x 4 is all most or all least; any of them in turn.
    const auto blocks = data.fill<int32_t>(4, 0, 15), parts = data.fill<int32_t>(4, 0, 15);
    std::vector<int16_t> weights(kOc * kIc);
    for (int64_t oc = 0; oc < kOc; ++oc)
      for (int64_t ic = 0; ic < kIc; ++ic) {
        const int64_t part = seed % 2 == 0 ? oc / 16 % 4 : oc / 8 % 4;
        weights[oc * kIc + ic] = (blocks[part] >> (ic / (kIc / 4)) & 1) != 0 ? 255 : -255;
      }
    std::vector<uint8_t> codes(static_cast<size_t>(x.numel()));
    for (int64_t i = 0; i < x.numel(); ++i)
      codes[i] = (parts[i / kIc / 12] >> (i % kIc / (kIc / 4)) & 1) != 0 ? 255 : 0;
    const HeldRows rows(weights, kIc);
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return make_qconv2d(k, x, c.window, 1, kOc, 255, {rows, WeightKind::i16, {}, {}}, {}, {});
        },
        {Operand{x, codes, 255, kIc}}, 1, Result{{6, 8, kOc}, 4}, data, "operands at their ends");
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace icepoint
