// Packed codes and the overflow proof: every width against plain integers, and the bound to the unit.
#include <gtest/gtest.h>

#include <algorithm>

#include "graph/weights.h"
#include "graph_fixtures.h"

namespace icepoint::testing {
namespace {

TEST(GraphWeights, PackedBytesByHand) {
  // 3-bit codes 1, -1, 3, -3, 2: 001 111 011 101 010 from the low bits up.
  EXPECT_EQ(pack_codes({1, -1, 3, -3, 2}, 5, 3), (std::vector<uint8_t>{0b11111001, 0b00101010}));
  // Rows start on a byte of their own.
  EXPECT_EQ(pack_codes({1, 2, 3, 1}, 2, 2), (std::vector<uint8_t>{0b1001, 0b0111}));
  EXPECT_EQ(pack_codes({}, 4, 2), std::vector<uint8_t>{});
}

TEST(GraphWeights, PackRefusesWhatDoesNotFit) {
  EXPECT_EQ(refusal([] { pack_codes({1}, 1, 8); }), "pack_codes.bits: 8 is not in 2..7");
  EXPECT_EQ(refusal([] { pack_codes({1}, 1, 1); }), "pack_codes.bits: 1 is not in 2..7");
  EXPECT_EQ(refusal([] { pack_codes({1, 2, 3}, 2, 4); }), "pack_codes.row: 3 codes are not rows of 2");
  EXPECT_EQ(refusal([] { pack_codes({1}, 0, 4); }), "pack_codes.row: 1 codes are not rows of 0");
  EXPECT_EQ(refusal([] { pack_codes({0, 16}, 2, 4); }), "pack_codes.codes[1]: 16 is not in -7..15");
  EXPECT_EQ(refusal([] { pack_codes({-8}, 1, 4); }), "pack_codes.codes[0]: -8 is not in -7..15");
}

TEST(GraphWeights, WidenGivesBackEveryCode) {
  for (int bits = 2; bits <= 8; ++bits)
    for (bool affine : {false, true})
      for (int64_t row = 1; row <= 17; ++row) {
        const int32_t top = (1 << (bits - 1)) - 1, qmax = (1 << bits) - 1;
        const Shape shape{3, row};
        auto codes =
            random_codes(3 * row, affine ? 0 : -top, affine ? qmax : top, static_cast<uint32_t>(bits * row));
        codes[0] = affine ? 0 : -top;  // the extremes are always there
        codes[codes.size() - 1] = affine ? qmax : top;
        Weights w;
        w.bits = bits;
        w.affine = affine;
        w.weight = store_codes(codes, shape, bits, affine);
        const std::vector<int32_t> zero_points{0, qmax, 1};
        if (affine) w.weight_zero_point = i32(zero_points);

        const WidenedWeights wide = widen(w, shape);
        ASSERT_EQ(wide.codes.size(), codes.size());
        for (size_t i = 0; i < codes.size(); ++i)
          ASSERT_EQ(wide.codes[i], codes[i] - (affine ? 128 : 0))
              << bits << " bits, row of " << row << ", code " << i;
        const std::vector<int32_t> moved{-128, qmax - 128, -127};
        EXPECT_EQ(wide.zero_point, affine ? moved : std::vector<int32_t>{0});
      }
}

// The largest accumulator of a linear layer whose `count` weights are all `w`, with x in 0..255.
Graph uniform_linear(int64_t count, int8_t w, int32_t bias) {
  Weights weights = random_weights({2, count}, 2, {});
  std::vector<int8_t> codes(static_cast<size_t>(2 * count), 0);
  std::fill(codes.begin() + count, codes.end(), w);  // channel 1; channel 0 stays harmless
  weights.weight = make_tensor(codes, {2, count});
  weights.bias = i32({0, bias});
  return linear_graph(weights, count, 2, {1.0f, 0, 8});
}

TEST(GraphOverflow, TheBoundIsExact) {
  // 66310 * 127 * 255 = 2147449350, which is 34297 below 2^31 - 1.
  const auto proof = validate(uniform_linear(66310, 127, 34297));
  EXPECT_EQ(proof.overflow.at(0).bounds, (Bounds{0, INT32_MAX}));
  EXPECT_EQ(refusal([] { validate(uniform_linear(66310, 127, 34298)); }),
            "ops[0]: channel 1 of 'fc' reaches 34298..2147483648, outside int32; use fewer weight or "
            "activation bits");
  EXPECT_EQ(validate(uniform_linear(66310, -127, -34298)).overflow.at(0).bounds, (Bounds{INT32_MIN, 0}));
  EXPECT_EQ(refusal([] { validate(uniform_linear(66310, -127, -34299)); }),
            "ops[0]: channel 1 of 'fc' reaches -2147483649..-34299, outside int32; use fewer weight or "
            "activation bits");
  // Without the bias it would leave int32, with it not: a kernel that adds the bias last would be wrong.
  EXPECT_EQ(
      refusal([] { validate(uniform_linear(66312, 127, -100000)); }),
      "ops[0]: channel 1 of 'fc' reaches 0..2147514120 without its bias, outside int32; use fewer weight or "
      "activation bits");
  EXPECT_EQ(validate(uniform_linear(66311, 127, -100000)).overflow.at(0).bounds,
            (Bounds{-100000, 2147381735}));
}

// acc_lo and acc_hi of numerics.md for the weights w' = code - zero point of one channel.
Bounds direct_bounds(const std::vector<int64_t>& centred, int64_t bias, const QParams& x) {
  Bounds b{bias, bias};
  for (int64_t w : centred) {
    const int64_t ends[]{w * (0 - x.zero_point), w * (x.qmax() - x.zero_point)};
    b.lo += std::min(ends[0], ends[1]);
    b.hi += std::max(ends[0], ends[1]);
  }
  return b;
}

Bounds join(const Bounds& a, const Bounds& b) {
  return {std::min(a.lo, b.lo), std::max(a.hi, b.hi)};
}

TEST(GraphOverflow, BoundsOfConvolutions) {
  for (int bits = 2; bits <= 8; ++bits)
    for (bool affine : {false, true})
      for (bool transposed : {false, true}) {
        SCOPED_TRACE(::testing::Message()
                     << bits << " bits, affine " << affine << ", transposed " << transposed);
        constexpr int64_t ic = 6, oc = 4, groups = 2, taps = 6;  // kernel 3 x 2
        const Shape shape = transposed ? Shape{ic, oc / groups, 3, 2} : Shape{oc, ic / groups, 3, 2};
        const QParams x{1.0f, 5, 4};
        Weights w =
            random_weights(shape, oc, {.bits = bits, .affine = affine, .seed = static_cast<uint32_t>(bits)});
        Graph g;
        g.inputs = {{"x", {ic, 9, 9}, x}};
        const auto fill = [&](auto op) {
          op.kernel_size = {3, 2};
          op.groups = groups;
          op.out_channels = oc;
          op.weights = w;
          g.nodes = {{"conv", op, {0}, QParams{}}};
        };
        transposed ? fill(QConvTranspose2d{}) : fill(QConv2d{});
        g.outputs = {1};

        const WidenedWeights wide = widen(w, shape);
        Bounds expected{INT64_MAX, INT64_MIN};
        for (int64_t c = 0; c < oc; ++c) {
          std::vector<int64_t> centred;
          for (int64_t i = 0; i < ic / groups; ++i)
            for (int64_t t = 0; t < taps; ++t) {
              const int64_t group = c / (oc / groups);
              const int64_t row = transposed ? group * (ic / groups) + i : c;
              const int64_t column = transposed ? c % (oc / groups) : i;
              const int64_t code = wide.codes[static_cast<size_t>((row * shape[1] + column) * taps + t)];
              centred.push_back(code - wide.zero_point[affine ? static_cast<size_t>(c) : 0]);
            }
          expected = join(expected, direct_bounds(centred, w.bias.as<int32_t>()[static_cast<size_t>(c)], x));
        }
        EXPECT_EQ(validate(g).overflow.at(0).bounds, expected);
      }
}

TEST(GraphOverflow, LongRowsArePiecedTogether) {
  // Rows longer than the proof's buffer, at a width whose codes straddle bytes.
  const int64_t count = 10007;
  for (bool affine : {false, true}) {
    const Weights w = random_weights({2, count}, 2, {.bits = 5, .affine = affine, .seed = 99});
    const QParams x{1.0f, 200, 8};
    const WidenedWeights wide = widen(w, {2, count});
    Bounds expected{INT64_MAX, INT64_MIN};
    for (size_t c = 0; c < 2; ++c) {
      std::vector<int64_t> centred;
      for (size_t k = 0; k < static_cast<size_t>(count); ++k)
        centred.push_back(wide.codes[c * static_cast<size_t>(count) + k] - wide.zero_point[affine ? c : 0]);
      expected = join(expected, direct_bounds(centred, w.bias.as<int32_t>()[c], x));
    }
    EXPECT_EQ(validate(linear_graph(w, count, 2, x)).overflow.at(0).bounds, expected);
  }
}

}  // namespace
}  // namespace icepoint::testing
