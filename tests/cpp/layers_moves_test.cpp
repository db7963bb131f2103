// Byte moves: index maps against torch's numbers, reshape, concat, whole and in pieces.
#include <chrono>

#include "table_cases.h"

namespace icepoint {
namespace {

using Map = std::vector<int32_t>;
using Bytes = std::vector<uint8_t>;

TEST(NearestMap, EqualsTorch) {
  // torch.nn.functional.interpolate(arange(in), size=out, mode="nearest")
  EXPECT_EQ(nearest_map(4, 7), (Map{0, 0, 1, 1, 2, 2, 3}));
  EXPECT_EQ(nearest_map(3, 8), (Map{0, 0, 0, 1, 1, 1, 2, 2}));
  EXPECT_EQ(nearest_map(5, 5), (Map{0, 1, 2, 3, 4}));
  EXPECT_EQ(nearest_map(1, 4), (Map{0, 0, 0, 0}));
  EXPECT_EQ(nearest_map(7, 20), (Map{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6}));
  EXPECT_EQ(nearest_map(10, 3), (Map{0, 3, 6}));
  EXPECT_EQ(nearest_map(5, 12), (Map{0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4}));
}

TEST(NearestMap, StaysInside) {
  for (int64_t in = 1; in < 60; ++in)
    for (int64_t out = 1; out < 130; ++out)
      for (int32_t from : nearest_map(in, out)) ASSERT_TRUE(from >= 0 && from < in) << in << " -> " << out;
}

TEST(BilinearWeights, TiesGoToEven) {
  // 3 inputs to 2048 outputs: src = ((2i + 1) 3 - 2048) / 4096, so every 2^11 frac ends in a half.
  const Bytes x{0, 255, 7};
  Bytes expected(2048);
  for (int i = 0; i < 2048; ++i) {
    const double src = std::max(0.0, ((2 * i + 1) * 3 - 2048) / 4096.0);
    const int index = static_cast<int>(src), upper = std::min(index + 1, 2);
    const int weight = static_cast<int>(std::nearbyint(2048 * (src - index)));  // ties to even, exact
    expected[i] = static_cast<uint8_t>(
        (x[index] * (2048 - weight) * 2048 + x[upper] * weight * 2048 + (1 << 21)) >> 22);
  }
  for (const std::string& isa : isas())
    EXPECT_EQ(run_whole(*make_upsample_bilinear(kernels(isa), {1, 3, 1}, {1, 2048}, false), {{{1, 3, 1}, x}},
                        1, {{1, 2048, 1}}),
              expected)
        << isa;
}

TEST(PadMap, EqualsTorch) {
  EXPECT_EQ(pad_map(4, 3, 2, PadMode::reflect), (Map{3, 2, 1, 0, 1, 2, 3, 2, 1}));
  EXPECT_EQ(pad_map(4, 3, 2, PadMode::replicate), (Map{0, 0, 0, 0, 1, 2, 3, 3, 3}));
  EXPECT_EQ(pad_map(4, 3, 2, PadMode::constant), (Map{-1, -1, -1, 0, 1, 2, 3, -1, -1}));
  EXPECT_EQ(pad_map(1, 0, 0, PadMode::reflect), (Map{0}));
  EXPECT_EQ(pad_map(1, 4, 1, PadMode::replicate), (Map{0, 0, 0, 0, 0, 0}));
}

TEST(SliceMap, StartsAndSteps) {
  EXPECT_EQ(slice_map(2, 3, 4), (Map{2, 6, 10}));
  EXPECT_EQ(slice_map(0, 0, 1), (Map{}));
}

TEST(Centre, TakesTheZeroPointOfEachChannel) {
  const std::vector<int8_t> codes{-128, 127, 0, 5, -128, 127};
  const std::vector<int32_t> one{127}, three{127, 5, -128};
  EXPECT_EQ(centre(codes, one, 3), (std::vector<int16_t>{-255, 0, -127, -122, -255, 0}));
  EXPECT_EQ(centre(codes, three, 3), (std::vector<int16_t>{-255, 0, -5, 0, 0, 255}));
  EXPECT_EQ(centre({}, one, 0), (std::vector<int16_t>{}));
}

// A map over 0..in - 1 of one of the kinds that the graph has.
Map any_map(CaseData& data, int64_t in) {
  switch (data.pick(0, 5)) {
    case 0:
      return pad_map(in, data.pick(0, 4), data.pick(0, 4), PadMode::constant);
    case 1:
      return pad_map(in, data.pick(0, in - 1), data.pick(0, in - 1), PadMode::reflect);
    case 2:
      return pad_map(in, data.pick(0, 4), data.pick(0, 4), PadMode::replicate);
    case 3: {
      const int64_t step = data.pick(1, 3), start = data.pick(0, in - 1);
      return slice_map(start, data.pick(1, (in - start - 1) / step + 1), step);
    }
    case 4: {  // a shuffle
      Map map = slice_map(0, in, 1);
      for (int64_t i = in - 1; i > 0; --i) std::swap(map[i], map[data.pick(0, i)]);
      return map;
    }
    default:
      return nearest_map(in, data.pick(1, 2 * in));
  }
}

TEST(Move, IsItsFormula) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    CaseData data(seed);
    const Extent x{data.pick(1, 6), data.pick(1, 6), data.pick(1, 20)};
    const auto identity_or_any = [&](int64_t in) {
      return data.chance(3) ? slice_map(0, in, 1) : any_map(data, in);
    };
    const MoveMaps maps{identity_or_any(x.h), identity_or_any(x.w), identity_or_any(x.c)};
    const uint8_t value = static_cast<uint8_t>(data.pick(0, 255));
    const int64_t n = data.pick(1, 3);
    const Operand from = any_operand(data, x, n);
    const Result y{{std::ssize(maps.rows), std::ssize(maps.cols), std::ssize(maps.channels)}};
    Bytes expected;
    for (int64_t image = 0; image < n; ++image)
      for (int32_t h : maps.rows)
        for (int32_t w : maps.cols)
          for (int32_t c : maps.channels)
            expected.push_back(h < 0 || w < 0 || c < 0 ? value
                                                       : from.codes[((image * x.h + h) * x.w + w) * x.c + c]);
    const LayerPtr layer = make_move(x, maps, value);
    ASSERT_EQ(run_whole(*layer, {from}, n, y), expected) << data.name();
    expect_pieces(*layer, {from}, n, y, expected, data);
    if (testing::Test::HasFatalFailure()) return;
  }
}

// Storage offset of logical element i of one image: (c, h, w) lies as (h, w, c).
int64_t storage(Extent e, bool rank3, int64_t i) {
  if (!rank3) return i;
  const int64_t pixels = e.h * e.w;
  return i % pixels * e.c + i / pixels;
}

TEST(Reshape, KeepsTheLogicalOrder) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    CaseData data(seed);
    const Extent x{data.pick(1, 6), data.pick(1, 6), data.pick(1, 12)};
    const int64_t count = x.numel(), c = data.pick(1, count), h = data.pick(1, 4);
    Extent y{1, 1, count};
    const bool x_rank3 = data.chance(2), y_rank3 = data.chance(2);
    if (count % c == 0) y = count / c % h == 0 ? Extent{h, count / c / h, c} : Extent{1, count / c, c};
    const int64_t n = data.pick(1, 3);
    Operand from = any_operand(data, x, n);
    if (!x_rank3) from.pixel = x.c;  // vectors of (t, f) lie side by side
    const Result to{y, 1, !y_rank3};
    Bytes expected(n * count);
    for (int64_t image = 0; image < n; ++image)
      for (int64_t i = 0; i < count; ++i)
        expected[image * count + storage(y, y_rank3, i)] = from.codes[image * count + storage(x, x_rank3, i)];
    const LayerPtr layer = make_reshape(x, x_rank3, y, y_rank3);
    ASSERT_EQ(run_whole(*layer, {from}, n, to), expected) << data.name();
    expect_pieces(*layer, {from}, n, to, expected, data);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Reshape, FlattenIsChannelMajor) {
  // (c 2, h 1, w 3) stored (w, c): flattened all of channel 0 comes first
  const LayerPtr flatten = make_reshape({1, 3, 2}, true, {1, 1, 6}, false);
  EXPECT_EQ(run_whole(*flatten, {{{1, 3, 2}, {1, 11, 2, 12, 3, 13}}}, 1, {{1, 1, 6}}),
            (Bytes{1, 2, 3, 11, 12, 13}));
  const LayerPtr back = make_reshape({1, 1, 6}, false, {1, 3, 2}, true);
  EXPECT_EQ(run_whole(*back, {{{1, 1, 6}, {1, 2, 3, 11, 12, 13}}}, 1, {{1, 3, 2}}),
            (Bytes{1, 11, 2, 12, 3, 13}));
}

TEST(Concat, OfManyRowsTakesTimeInProportion) {
  constexpr int64_t kInputs = 400'000;
  const std::vector<Extent> extents(kInputs, {1, 1, 1});
  const std::vector<int32_t> zeros(kInputs, 0), shift(kInputs, 54);
  const LayerPtr layer =
      make_qconcat(kernels(), extents, 0, zeros, zeros, shift, std::vector<bool>(kInputs, true), {});
  Bytes x(kInputs), y(kInputs);
  std::vector<View> xs;
  for (int64_t i = 0; i < kInputs; ++i) {
    x[i] = static_cast<uint8_t>(i % 251);
    xs.push_back({&x[i], 1, 1, 1});
  }
  const auto start = std::chrono::steady_clock::now();
  layer->run(xs.data(), {y.data(), kInputs, 1, 1}, 1, 0, layer->units(1));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(y, x);
  EXPECT_LT(seconds.count(), 5.0);  // of the order of 0.05 s; a search through all inputs takes a minute
}

TEST(Concat, PutsInputsSideBySide) {
  const std::vector<int32_t> none(2, 0), shift(2, 30);
  // batch of 2; a is 1, 2, .. and b is 101, 102, ..
  const auto concat = [&](Extent a, Extent b, int axis, Extent y) {
    const std::vector<Extent> extents{a, b};
    const LayerPtr layer = make_qconcat(kernels(), extents, axis, none, none, shift, {true, true}, {});
    return run_whole(*layer, {{a, {1, 2, 3, 4, 5, 6, 7, 8}}, {b, {101, 102, 103, 104}}}, 2, {y});
  };
  EXPECT_EQ(concat({2, 1, 2}, {1, 1, 2}, 0, {3, 1, 2}), (Bytes{1, 2, 3, 4, 101, 102, 5, 6, 7, 8, 103, 104}));
  EXPECT_EQ(concat({1, 2, 2}, {1, 1, 2}, 1, {1, 3, 2}), (Bytes{1, 2, 3, 4, 101, 102, 5, 6, 7, 8, 103, 104}));
  EXPECT_EQ(concat({1, 2, 2}, {1, 2, 1}, 2, {1, 2, 3}), (Bytes{1, 2, 101, 3, 4, 102, 5, 6, 103, 7, 8, 104}));
}

}  // namespace
}  // namespace icepoint
