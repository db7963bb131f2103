// Convolutions of every table give the reference's bytes: shapes, groups, padding, extremes, pieces.
#include "conv_cases.h"

namespace icepoint {
namespace {

class ConvTables : public TableTest {};
INSTANTIATE_TABLES(ConvTables);

// Any legal window over x, so that at least one output exists.
Window any_window(CaseData& data, Extent x, int64_t max_kernel) {
  Window w;
  for (int axis : {0, 1}) {
    const int64_t in = axis == 0 ? x.h : x.w;
    w.kernel[axis] = data.pick(1, max_kernel);
    w.stride[axis] = data.pick(1, 4);
    w.dilation[axis] = data.chance(3) ? data.pick(1, 3) : 1;
    w.padding[axis] = data.chance(3) ? 0 : data.pick(0, 5);
    w.padding[axis + 2] = data.chance(3) ? 0 : data.pick(0, 5);
    const int64_t span = w.dilation[axis] * (w.kernel[axis] - 1) + 1;
    w.padding[axis] += std::max<int64_t>(0, span - in - w.padding[axis] - w.padding[axis + 2]);
  }
  return w;
}

TEST_P(ConvTables, AnyShape) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    CaseData data(seed);
    ConvCase c;
    c.groups = data.chance(2) ? 1 : data.pick(1, 12);
    c.x = {data.pick(1, 12), data.pick(1, 20), c.groups * data.pick(1, data.chance(2) ? 4 : 20)};
    c.oc = c.groups * data.pick(1, data.chance(2) ? 5 : 20);
    c.window = any_window(data, c.x, 4);
    c.requantize = !data.chance(4);
    expect_equal_conv(table(), c, data);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvTables, Depthwise) {
  for (uint32_t seed = 1000; seed < 1200; ++seed) {
    CaseData data(seed);
    ConvCase c;
    c.groups = data.one_of<int64_t>({1, 3, 7, 8, 9, 15, 16, 17, 40, 127, 129, 260});
    c.x = {data.pick(1, 9), data.pick(1, 9), c.groups};
    c.oc = c.groups * data.one_of<int64_t>({1, 1, 1, 2});
    c.window = any_window(data, c.x, data.chance(5) ? 9 : 5);  // 9 x 9: more than 64 taps
    c.requantize = !data.chance(4);
    expect_equal_conv(table(), c, data);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvTables, NarrowGroups) {
  for (uint32_t seed = 1500; seed < 1650; ++seed) {
    CaseData data(seed);
    ConvCase c;
    const int64_t width = data.one_of<int64_t>({2, 4, 8});
    c.groups = data.one_of<int64_t>({1, 2, 3, 5, 16, 17, 33});
    c.x = {data.pick(1, 9), data.pick(1, 9), c.groups * width};
    c.oc = c.groups * width;
    c.window = any_window(data, c.x, data.chance(5) ? 9 : 4);
    c.requantize = !data.chance(4);
    expect_equal_conv(table(), c, data);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvTables, EveryBlockEdge) {
  // Channels around the widths of vectors, panels and blocks; sums longer than any buffer.
  uint32_t seed = 2000;
  for (int64_t oc : {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 150})
    for (int64_t ic : {1, 2, 3, 63, 64, 171}) {
      CaseData data(seed++);
      const int64_t k = data.one_of<int64_t>({1, 3});
      expect_equal_conv(table(), {{k + 1, k + 4, ic}, {.kernel = {k, k}}, 1, oc, !data.chance(3)}, data);
      if (HasFatalFailure()) return;
    }
}

TEST_P(ConvTables, LongRowsAndTallKernels) {
  uint32_t seed = 3000;
  for (const ConvCase& c : {
           ConvCase{{1, 300, 4}, {.kernel = {1, 7}, .padding = {0, 3, 0, 3}}, 1, 6},  // conv1d
           ConvCase{{40, 1, 3}, {.kernel = {31, 1}, .padding = {15, 0, 15, 0}}, 1, 5},
           ConvCase{{5, 5, 700}, {.kernel = {1, 1}}, 1, 20},
           ConvCase{{3, 3, 1030}, {.kernel = {1, 1}}, 2, 6},
           ConvCase{{4, 4, 130}, {.kernel = {3, 3}, .padding = {1, 1, 1, 1}}, 1, 10},
           ConvCase{{2, 2, 3}, {.kernel = {3, 3}, .padding = {7, 9, 8, 6}}, 1, 4},  // mostly padding
           ConvCase{{28, 28, 1}, {.kernel = {3, 3}}, 1, 40},
           ConvCase{{13, 13, 40}, {.kernel = {3, 3}}, 20, 40},
           ConvCase{{6, 6, 512}, {.kernel = {3, 3}, .padding = {1, 1, 1, 1}}, 512, 512},
       }) {
    CaseData data(seed++);
    expect_equal_conv(table(), c, data);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvTables, EmptyBatch) {
  CaseData data(1);
  const ConvData d(data, 3, 4);
  const LayerPtr layer = d.with_source([&](const WeightSource& w) {
    return make_qconv2d(table(), {4, 4, 1}, {.kernel = {2, 2}}, 1, 3, 0, w, d.requant());
  });
  EXPECT_EQ(layer->units(0), 0);
  EXPECT_TRUE(run_whole(*layer, {{{4, 4, 1}, {}}}, 0, {{3, 3, 3}}).empty());
}

TEST_P(ConvTables, Transposed) {
  for (uint32_t seed = 4000; seed < 4300; ++seed) {
    CaseData data(seed);
    const int64_t groups = data.chance(2) ? 1 : data.pick(1, 6);
    const Extent x{data.pick(1, 6), data.pick(1, 6), groups * data.one_of<int64_t>({1, 2, 3, 16, 33, 300})};
    const int64_t oc = groups * data.one_of<int64_t>({1, 2, 3, 7, 8, 9, 16, 24, 129});
    Window w;
    Extent y{0, 0, oc};
    for (int axis : {0, 1}) {
      w.kernel[axis] = data.pick(1, 4), w.stride[axis] = data.pick(1, 3), w.dilation[axis] = data.pick(1, 2);
      const int64_t in = axis == 0 ? x.h : x.w;
      const int64_t full = (in - 1) * w.stride[axis] + w.dilation[axis] * (w.kernel[axis] - 1) + 1;
      w.padding[axis] = data.pick(0, std::min<int64_t>(3, full - 1));
      w.padding[axis + 2] = data.pick(0, std::min<int64_t>(3, full - 1 - w.padding[axis]));
      // output_padding may add rows that no input reaches: they are the bias alone
      (axis == 0 ? y.h : y.w) =
          full - w.padding[axis] - w.padding[axis + 2] + data.pick(0, w.stride[axis] - 1);
    }
    const int64_t taps = x.c / groups * w.kernel[0] * w.kernel[1];
    const auto codes = data.fill<int8_t>(oc * taps, -128, 127);
    const auto zeros = data.fill<int32_t>(data.chance(2) ? 1 : oc, data.chance(2) ? 0 : -128, 127);
    const ConvData d(data, oc, taps);  // for its bias and requantization
    const int64_t n = data.pick(1, 2);
    const int32_t zero = static_cast<int32_t>(data.pick(0, 255));
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return make_qconv_transpose2d(k, x, y, w, groups, zero, {codes, zeros, d.bias}, d.requant());
        },
        {any_operand(data, x, n)}, n, {y}, data, ConvCase{x, w, groups, oc}.text());
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvTables, Linear) {
  for (uint32_t seed = 5000; seed < 5300; ++seed) {
    CaseData data(seed);
    const Extent x{1, data.one_of<int64_t>({1, 1, 3, 17}),
                   data.one_of<int64_t>({1, 2, 3, 7, 8, 9, 31, 100, 511, 512, 513, 1000, 1500})};
    const int64_t out = data.one_of<int64_t>({1, 2, 3, 4, 5, 10, 15, 16, 17, 63, 64, 65, 128, 129, 200});
    const ConvData d(data, out, x.c);
    const int64_t n = data.pick(1, 4);
    const int32_t zero = static_cast<int32_t>(data.pick(0, 255));
    std::optional<ChannelRequant> requant;
    if (!data.chance(4)) requant = d.requant();
    Operand from = any_operand(data, x, n);
    from.pixel = x.c;
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return d.with_source(
              [&](const WeightSource& w) { return make_qlinear(k, x, out, zero, w, requant); });
        },
        {from}, n, {{1, x.w, out}, requant ? 1 : 4}, data,
        "linear " + std::to_string(n * x.w) + " x " + std::to_string(x.c) + " -> " + std::to_string(out) +
            d.text());
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvTables, BytesOfALinearLayerStayBytes) {
  constexpr int64_t kIn = 512, kOut = 256;
  const std::vector<int16_t> weights(kIn * kOut, -128);
  const HeldRows rows(weights, kIn);
  const LayerPtr layer = make_qlinear(table(), {1, 1, kIn}, kOut, 0, {rows, WeightKind::i8, {}, {}}, {});
  const int64_t per_weight = GetParam() == "reference" ? 2 : 1;
  EXPECT_LT(layer->bytes(),
            per_weight * kIn * kOut + 64 * kOut);  // less than 64 bytes of constants a channel
}

}  // namespace
}  // namespace icepoint
