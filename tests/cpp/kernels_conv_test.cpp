// Convolutions of every table give the reference's bytes: shapes, groups, padding, extremes, pieces.
#include "table_cases.h"

namespace icepoint {
namespace {

class ConvTables : public TableTest {};
INSTANTIATE_TABLES(ConvTables);

struct ConvCase {
  Extent x;
  Window window;
  int64_t groups, oc;
  bool requantize = true;
};

std::string text(const ConvCase& c) {
  const Window& w = c.window;
  return "x " + to_string(Shape{c.x.h, c.x.w, c.x.c}) + " oc " + std::to_string(c.oc) + " groups " +
         std::to_string(c.groups) + " kernel " + to_string({w.kernel[0], w.kernel[1]}) + " stride " +
         to_string({w.stride[0], w.stride[1]}) + " padding " +
         to_string({w.padding[0], w.padding[1], w.padding[2], w.padding[3]}) + " dilation " +
         to_string({w.dilation[0], w.dilation[1]}) + (c.requantize ? "" : " int32");
}

// Weights and requantization of `oc` channels, each a sum of `taps` products.
struct ConvData {
  std::vector<int8_t> codes;
  std::vector<int32_t> zero_point, bias, multiplier, shift;
  OutputRange range;

  ConvData(CaseData& data, int64_t oc, int64_t taps) {
    codes =
        data.chance(4) ? data.fill<int8_t>(oc * taps, -128, 127) : data.fill<int8_t>(oc * taps, -127, 127);
    zero_point =
        data.chance(2) ? std::vector<int32_t>{0} : data.fill<int32_t>(data.chance(2) ? 1 : oc, -128, 127);
    if (!data.chance(4)) {
      // The overflow proof holds: what the products leave of int32 is the bias's.
      const int64_t room = (int64_t{1} << 31) - 1 - 65025 * taps;
      const int64_t reach = std::min(room, data.one_of<int64_t>({1000, int64_t{1} << 20, room}));
      bias = data.fill<int32_t>(oc, -reach, reach);
    }
    data.requant(data.chance(4) ? 1 : oc, 5000 * std::sqrt(static_cast<double>(taps)), multiplier, shift);
    range = data.range();
  }

  WeightSpan weights() const { return {codes, zero_point, bias}; }
  ChannelRequant requant() const { return {multiplier, shift, range}; }
};

void expect_equal_conv(const Kernels& table, const ConvCase& c, CaseData& data) {
  const int64_t oh = window_output(c.window, 0, c.x.h), ow = window_output(c.window, 1, c.x.w);
  const int64_t taps = c.window.kernel[0] * c.window.kernel[1] * (c.x.c / c.groups);
  const ConvData d(data, c.oc, taps);
  const int64_t n = data.pick(1, 3);
  const int32_t x_zero_point = static_cast<int32_t>(data.one_of<int64_t>({0, 255, data.pick(0, 255)}));
  std::optional<ChannelRequant> requant;
  if (c.requantize) requant = d.requant();
  expect_equal_tables(
      table,
      [&](const Kernels& k) {
        return make_qconv2d(k, c.x, c.window, c.groups, c.oc, x_zero_point, d.weights(), requant);
      },
      {data.codes(n * c.x.numel())}, n, n * oh * ow * c.oc * (c.requantize ? 1 : 4), data, text(c));
}

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
  const LayerPtr layer =
      make_qconv2d(table(), {4, 4, 1}, {.kernel = {2, 2}}, 1, 3, 0, d.weights(), d.requant());
  EXPECT_EQ(layer->units(0), 0);
  EXPECT_TRUE(run_whole(*layer, {{}}, 0, 0).empty());
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
    const ConvData d(data, oc, x.c / groups * w.kernel[0] * w.kernel[1]);
    const int64_t n = data.pick(1, 2);
    const int32_t zero = static_cast<int32_t>(data.pick(0, 255));
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return make_qconv_transpose2d(k, x, y, w, groups, zero, d.weights(), d.requant());
        },
        {data.codes(n * x.numel())}, n, n * y.numel(), data, text({x, w, groups, oc}));
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
    expect_equal_tables(
        table(), [&](const Kernels& k) { return make_qlinear(k, x, out, zero, d.weights(), requant); },
        {data.codes(n * x.numel())}, n, n * x.w * out * (requant ? 1 : 4), data,
        "linear " + std::to_string(n * x.w) + " x " + std::to_string(x.c) + " -> " + std::to_string(out));
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace icepoint
