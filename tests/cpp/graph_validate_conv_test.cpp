// The validator's rules of convolutions, linear layers and their weights: broken once, refused by name.
#include <gtest/gtest.h>

#include "refusals.h"

namespace icepoint::testing {
namespace {

QConv2d& conv(Graph& g) {
  return op_at<QConv2d>(g, 0);
}
QConvTranspose2d& up(Graph& g) {
  return op_at<QConvTranspose2d>(g, 10);
}
QLinear& linear(Graph& g) {
  return op_at<QLinear>(g, 17);
}

TEST(GraphValidate, Convolutions) {
  expect_refusals({
      {"ops[0].stride: 0 is not in 1..65535", [](Graph& g) { conv(g).stride[1] = 0; }},
      {"ops[0].stride: 65536 is not in 1..65535", [](Graph& g) { conv(g).stride[0] = 65536; }},
      {"ops[0].dilation: -1 is not in", [](Graph& g) { conv(g).dilation[0] = -1; }},
      {"ops[0].padding: -5 is not in 0..65535", [](Graph& g) { conv(g).padding[3] = -5; }},
      {"ops[0].padding: 1099511627776 is not", [](Graph& g) { conv(g).padding[0] = int64_t{1} << 40; }},
      {"ops[0].kernel_size: 0 is not in", [](Graph& g) { conv(g).kernel_size[0] = 0; }},
      {"ops[0].kernel_size: the dilated kernel is larger", [](Graph& g) { conv(g).dilation[0] = 5; }},
      {"ops[0].groups: 0 is not in 1..3", [](Graph& g) { conv(g).groups = 0; }},
      {"ops[0].groups: 2 divides not both 3", [](Graph& g) { conv(g).groups = 2; }},
      {"ops[0].out_channels: 0 is not in", [](Graph& g) { conv(g).out_channels = 0; }},
      {"ops[0].shape: (268435456, 8, 8) holds",
       [](Graph& g) { conv(g).groups = 1, conv(g).out_channels = 1 << 28; }},
      {"ops[0].weight: found U8 (6, 5), expected U8 (9, 5)", [](Graph& g) { conv(g).out_channels = 9; }},
      {"ops[0].hi: 256 is not in 0..255", [](Graph& g) { conv(g).hi = 256; }},
      {"ops[0].lo: -1 is not in 0..255", [](Graph& g) { conv(g).lo = -1; }},
      {"ops[0].lo: 9 is not in 0..8", [](Graph& g) { conv(g).lo = 9, conv(g).hi = 8; }},
      {"ops[0].hi: 255 is not in 0..3",
       [](Graph& g) {
         g.nodes[0].y = QParams{1.0f, 0, 2};
       }},
      {"ops[0]: its input is (6), expected (channels, height, width)",
       [](Graph& g) { g.inputs[0].shape = {6}; }},
      {"ops[10].output_padding: 2 is not in 0..1", [](Graph& g) { up(g).output_padding[0] = 2; }},
      {"ops[10].output_padding: -1 is not in 0..1", [](Graph& g) { up(g).output_padding[1] = -1; }},
      {"ops[10].padding: it cuts away the whole output",
       [](Graph& g) {
         up(g).padding = {9, 0, 9, 0};
       }},
      {"ops[10].groups: 4 divides not both 6", [](Graph& g) { up(g).groups = 4; }},
      {"ops[17].out_features: 0 is not in", [](Graph& g) { linear(g).out_features = 0; }},
      {"ops[17]: its input is (4, 2, 2), expected (features)", [](Graph& g) { g.nodes[17].inputs = {17}; }},
      {"ops[17].weight: found U8 (5, 6), expected U8 (6, 6)", [](Graph& g) { linear(g).out_features = 6; }},
  });
}

TEST(GraphValidate, Weights) {
  const auto w = [](Graph& g) -> Weights& { return conv(g).weights; };
  expect_refusals({
      {"ops[0].weight_bits: 1 is not in 2..8", [&](Graph& g) { w(g).bits = 1; }},
      {"ops[0].weight_bits: 9 is not in 2..8", [&](Graph& g) { w(g).bits = 9; }},
      {"ops[0].weight: absent", [&](Graph& g) { w(g).weight = {}; }},
      {"ops[0].weight: found U8 (6, 5), expected U8 (6, 6)", [&](Graph& g) { w(g).bits = 5; }},
      {"ops[0].weight: found U8 (6, 5), expected I8 (6, 1, 3, 3)", [&](Graph& g) { w(g).bits = 8; }},
      {"ops[0].bias: found I32 (5), expected I32 (6)",
       [&](Graph& g) {
         w(g).bias = i32({1, 2, 3, 4, 5});
       }},
      {"ops[0].bias: found I32 (0)", [&](Graph& g) { w(g).bias = i32({}); }},
      {"ops[0].bias: found F32 (6)", [&](Graph& g) { w(g).bias = w(g).weight_scale; }},
      {"ops[0].multiplier: found I32 (2), expected I32 (6)",
       [&](Graph& g) {
         w(g).multiplier = i32({1, 2});
       }},
      {"ops[0].shift: found I32 (1), expected I32 (6)", [&](Graph& g) { w(g).shift = i32({31}); }},
      {"ops[0].channel 0.shift: 1 is not in 2..54",
       [&](Graph& g) {
         w(g).shift = i32({1, 2, 2, 2, 2, 2});
       }},
      {"ops[0].channel 5.shift: 64 is not",
       [&](Graph& g) {
         w(g).shift = i32({31, 31, 31, 31, 31, 64});
       }},
      {"ops[0].channel 2.multiplier: 7 is not in 1073741824..2147483647",
       [&](Graph& g) {
         w(g).multiplier = i32({1 << 30, 1 << 30, 7, 1, 1, 1});
       }},
      {"ops[0].channel 0.multiplier: -1 is not in 0..2147483647",
       [&](Graph& g) {
         w(g).multiplier = i32({-1, 0, 0, 0, 0, 0});
         w(g).shift = i32({54, 54, 54, 54, 54, 54});
       }},
      {"ops[0].weight_scale: absent", [&](Graph& g) { w(g).weight_scale = {}; }},
      {"ops[0].weight_scale.scale: 0 is not",
       [&](Graph& g) { w(g).weight_scale = make_tensor(std::vector<float>{0}, {1}); }},
      {"ops[0].weight_scale: found F32 (2)",
       [&](Graph& g) {
         w(g).weight_scale = make_tensor(std::vector<float>{1, 1}, {2});
       }},
      {"ops[0].weight_zero_point: symmetric weights have none",
       [&](Graph& g) { w(g).weight_zero_point = i32({0}); }},
      {"ops[10].weight_zero_point: absent", [](Graph& g) { up(g).weights.weight_zero_point = {}; }},
      {"ops[10].weight_zero_point: 256 is not in 0..255",
       [](Graph& g) { up(g).weights.weight_zero_point = i32({256}); }},
      {"ops[17].weight_zero_point: 8 is not in 0..7",
       [](Graph& g) { linear(g).weights.weight_zero_point = i32({8}); }},
  });
}

TEST(GraphValidate, WeightsHaveOneSpelling) {
  Graph g = every_operator();  // 9 codes of 4 bits: the last byte of a row has 4 unused bits
  Weights& w = op_at<QConv2d>(g, 0).weights;
  const auto with_byte = [&](size_t at, uint8_t value) {
    std::vector<uint8_t> bytes(w.weight.as<uint8_t>().begin(), w.weight.as<uint8_t>().end());
    bytes[at] = value;
    Graph changed = g;
    op_at<QConv2d>(changed, 0).weights.weight = make_tensor(bytes, {6, 5});
    return refusal([&] { validate(changed); });
  };
  EXPECT_EQ(with_byte(9, 0x10), "ops[0].weight: row 1 has unused bits that are not 0");
  EXPECT_EQ(with_byte(9, 0x80), "ops[0].weight: row 1 has unused bits that are not 0");
  EXPECT_EQ(with_byte(9, 0x07), "accepted");
  EXPECT_EQ(with_byte(29, 0x08), "ops[0].weight: row 5 holds -8, below the symmetric range");
  EXPECT_EQ(with_byte(0, 0x80), "ops[0].weight: row 0 holds -8, below the symmetric range");

  const Weights eight = random_weights({1, 3}, 1, {});
  Weights lowest = eight;
  lowest.weight = make_tensor(std::vector<int8_t>{-127, -128, 127}, {1, 3});
  EXPECT_EQ(refusal([&] { validate(linear_graph(lowest, 3, 1, {})); }),
            "ops[0].weight: row 0 holds -128, below the symmetric range");
}

}  // namespace
}  // namespace icepoint::testing
