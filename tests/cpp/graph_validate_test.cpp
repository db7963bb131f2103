// Every rule of the validator: broken once, refused, and the message names the place.
#include <gtest/gtest.h>

#include <utility>

#include "graph_fixtures.h"

namespace icepoint::testing {
namespace {

struct Case {
  const char* message;  // what the refusal opens with
  std::function<void(Graph&)> spoil;
};

void expect_refusals(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Graph g = every_operator();
    c.spoil(g);
    const std::string found = refusal([&] { validate(g); });
    EXPECT_EQ(found.substr(0, std::string(c.message).size()), c.message) << found;
  }
}

TEST(GraphValidate, EveryOperatorIsProved) {
  const Graph g = every_operator();
  const Proof proof = validate(g);
  const std::vector<Shape> shapes{{3, 8, 8},  {6, 1, 1}, {6, 8, 8}, {6, 8, 8},   {6, 8, 8},
                                  {6, 8, 8},  {6, 8, 8}, {6, 4, 4}, {6, 4, 4},   {12, 4, 4},
                                  {12, 4, 4}, {6, 4, 4}, {4, 8, 8}, {4, 10, 10}, {4, 5, 5},
                                  {4, 7, 9},  {4, 2, 2}, {4, 2, 2}, {16},        {5}};
  ASSERT_EQ(proof.values.size(), shapes.size());
  for (size_t v = 0; v < shapes.size(); ++v) EXPECT_EQ(proof.values[v].shape, shapes[v]) << v;
  EXPECT_EQ(proof.values[3].q, *g.nodes[0].y);    // a clamp keeps what it gets
  EXPECT_EQ(proof.values[18].q, *g.nodes[15].y);  // as does a reshape
  ASSERT_EQ(proof.overflow.size(), 3u);
  EXPECT_EQ(proof.overflow[0].node, 0);
  EXPECT_EQ(proof.overflow[1].node, 10);
  EXPECT_EQ(proof.overflow[2].node, 17);
}

TEST(GraphValidate, ListsNamesAndOrder) {
  expect_refusals({
      {"inputs: their number: 0 is not in 1..64", [](Graph& g) { g.inputs.clear(); }},
      {"inputs: their number: 65 is", [](Graph& g) { g.inputs.resize(65, g.inputs[0]); }},
      {"ops: their number: 0 is not in 1..100000", [](Graph& g) { g.nodes.clear(); }},
      {"ops: their number: 100001 is", [](Graph& g) { g.nodes.resize(100001, g.nodes[1]); }},
      {"inputs[0].name: 0 bytes", [](Graph& g) { g.inputs[0].name = ""; }},
      {"inputs[0].name: 257 bytes", [](Graph& g) { g.inputs[0].name.assign(257, 'a'); }},
      {"inputs[1].name: 'image' is taken", [](Graph& g) { g.inputs[1].name = "image"; }},
      {"ops[3].name: 'image' is taken", [](Graph& g) { g.nodes[3].name = "image"; }},
      {"ops[0].name: 'a\\x1b[2J' is not UTF-8", [](Graph& g) { g.nodes[0].name = "a\x1b[2J"; }},
      {"ops[0].name: 'a\\x7f' is not UTF-8", [](Graph& g) { g.nodes[0].name = "a\x7f"; }},
      {"ops[0].name: '\\xc2\\x9b' is not UTF-8", [](Graph& g) { g.nodes[0].name = "\xc2\x9b"; }},
      {"ops[0].name: '\\xc0\\xaf' is not UTF-8", [](Graph& g) { g.nodes[0].name = "\xc0\xaf"; }},
      {"ops[0].name: '\\xed\\xa0\\x80' is not UTF-8", [](Graph& g) { g.nodes[0].name = "\xed\xa0\x80"; }},
      {"ops[0].name: '\\xf4\\x90\\x80\\x80' is not UTF-8",
       [](Graph& g) { g.nodes[0].name = "\xf4\x90\x80\x80"; }},
      {"ops[0].name: '\\x00' is not UTF-8", [](Graph& g) { g.nodes[0].name = std::string(1, '\0'); }},
      {"ops[0].name: 'self_check.0' opens with", [](Graph& g) { g.nodes[0].name = "self_check.0"; }},
      {"ops[0].name: '__metadata__' opens with", [](Graph& g) { g.nodes[0].name = "__metadata__"; }},
      {"inputs[0].shape: rank 0 is not in 1..3", [](Graph& g) { g.inputs[0].shape = {}; }},
      {"inputs[0].shape: rank 4 is not in 1..3",
       [](Graph& g) {
         g.inputs[0].shape = {1, 3, 8, 8};
       }},
      {"inputs[0].shape: 0 is not in 1..",
       [](Graph& g) {
         g.inputs[0].shape = {3, 0, 8};
       }},
      {"inputs[0].shape: -8 is not in 1..",
       [](Graph& g) {
         g.inputs[0].shape = {3, -8, -8};
       }},
      {"inputs[0].shape: (65536, 65536, 8) holds",
       [](Graph& g) {
         g.inputs[0].shape = {65536, 65536, 8};
       }},
      {"inputs[0].scale: 0 is not in", [](Graph& g) { g.inputs[0].q.scale = 0; }},
      {"inputs[0].scale: nan is not in", [](Graph& g) { g.inputs[0].q.scale = NAN; }},
      {"inputs[0].scale: inf is not in", [](Graph& g) { g.inputs[0].q.scale = INFINITY; }},
      {"inputs[0].scale: -1 is not in", [](Graph& g) { g.inputs[0].q.scale = -1; }},
      {"inputs[0].bits: 9 is not in 2..8", [](Graph& g) { g.inputs[0].q.bits = 9; }},
      {"inputs[0].zero_point: 16 is not in 0..15",
       [](Graph& g) {
         g.inputs[0].q = {1.0f, 16, 4};
       }},
      {"ops[0].inputs: -1 is not in 0..1", [](Graph& g) { g.nodes[0].inputs = {-1}; }},
      {"ops[0].inputs: 2 is not in 0..1", [](Graph& g) { g.nodes[0].inputs = {2}; }},  // itself
      {"ops[1].inputs: 9 is not in 0..2", [](Graph& g) { g.nodes[1].inputs = {9}; }},  // a later one
      {"ops[1].inputs: 9223372036854775807 is", [](Graph& g) { g.nodes[1].inputs = {INT64_MAX}; }},
      {"ops[1].inputs: 0 values, clamp takes 1", [](Graph& g) { g.nodes[1].inputs = {}; }},
      {"ops[1].inputs: 2 values, clamp takes 1",
       [](Graph& g) {
         g.nodes[1].inputs = {2, 2};
       }},
      {"ops[3].inputs: 1 values, qmul takes 2", [](Graph& g) { g.nodes[3].inputs = {3}; }},
      {"ops[7].inputs: 0 values, expected at least 1", [](Graph& g) { g.nodes[7].inputs = {}; }},
      {"outputs: none", [](Graph& g) { g.outputs = {}; }},
      {"outputs[0]: 0 is not in 2..19", [](Graph& g) { g.outputs = {0}; }},
      {"outputs[0]: 20 is not in 2..19", [](Graph& g) { g.outputs = {20}; }},
      {"outputs[1]: value 19 is listed twice",
       [](Graph& g) {
         g.outputs = {19, 19};
       }},
      {"ops[17] is never used", [](Graph& g) { g.outputs = {4}; }},
      {"inputs[1] is never used",
       [](Graph& g) {
         g.nodes[3].inputs = {3, 3};
       }},
      {"ops[1].scale: clamp keeps", [](Graph& g) { g.nodes[1].y = QParams{}; }},
      {"ops[0].scale: absent, qconv2d needs", [](Graph& g) { g.nodes[0].y.reset(); }},
      {"ops[0].zero_point: 4 is not in 0..3",
       [](Graph& g) {
         g.nodes[0].y = QParams{1.0f, 4, 2};
       }},
  });
}

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

TEST(GraphValidate, Pools) {
  const auto max = [](Graph& g) -> QMaxPool2d& { return op_at<QMaxPool2d>(g, 5); };
  const auto avg = [](Graph& g) -> QAvgPool2d& { return op_at<QAvgPool2d>(g, 6); };
  const auto adaptive = [](Graph& g) -> QAdaptiveAvgPool2d& { return op_at<QAdaptiveAvgPool2d>(g, 14); };
  expect_refusals({
      {"ops[5].kernel_size: 0 is not", [&](Graph& g) { max(g).kernel_size[1] = 0; }},
      {"ops[5].stride: 0 is not", [&](Graph& g) { max(g).stride[0] = 0; }},
      {"ops[5].kernel_size: the dilated window is larger",
       [&](Graph& g) {
         max(g).kernel_size = {9, 9};
       }},
      {"ops[5].padding: the window of output row 0 lies",
       [&](Graph& g) {
         max(g).padding = {2, 0, 0, 0};
       }},
      {"ops[5].padding: the window of output column 4 lies",
       [&](Graph& g) {
         max(g).padding = {0, 0, 0, 2};
       }},
      // Taps at -1 and 9 of an input of 8: neither lies inside.
      {"ops[5].padding: the window of output row 0 lies",
       [&](Graph& g) {
         max(g).dilation = {10, 1}, max(g).padding = {1, 0, 9, 0};
       }},
      {"ops[6].divisors: absent", [&](Graph& g) { avg(g).divisors = {}; }},
      {"ops[6].divisors: found I32 (2), expected I32 (3)",
       [&](Graph& g) {
         avg(g).divisors = i32({4, 6});
       }},
      {"ops[6].divisors[1]: 5, expected 6",
       [&](Graph& g) {
         avg(g).divisors = i32({4, 5, 9});
       }},
      {"ops[6].divisors[0]: 9, expected 4",
       [&](Graph& g) {
         avg(g).divisors = i32({9, 6, 4});
       }},
      {"ops[6].divisors: found I32 (3), expected I32 (1)",
       [&](Graph& g) { avg(g).count_include_pad = true; }},
      {"ops[6].divisors: found I32 (3), expected I32 (1)", [&](Graph& g) { avg(g).divisor_override = 9; }},
      {"ops[6].divisor_override: -1 is not", [&](Graph& g) { avg(g).divisor_override = -1; }},
      {"ops[6].multiplier: found I32 (1), expected I32 (3)",
       [&](Graph& g) { avg(g).multiplier = i32({1 << 30}); }},
      {"ops[6].channel 1.shift: 55 is not",
       [&](Graph& g) {
         avg(g).shift = i32({32, 55, 32});
       }},
      {"ops[6].lo: 1 is not in 0..0", [&](Graph& g) { avg(g).lo = 1, avg(g).hi = 0; }},
      {"ops[14].output_size: 0 is not in 1..65535", [&](Graph& g) { adaptive(g).output_size[0] = 0; }},
      {"ops[14].divisors[0]: 20, expected 15", [&](Graph& g) { adaptive(g).output_size[0] = 3; }},
      {"ops[14].divisors: found I32 (1), expected I32 (2)",
       [&](Graph& g) { adaptive(g).output_size[0] = 4; }},
      {"ops[14].shape: (4, 65535, 65535) holds",
       [&](Graph& g) {
         adaptive(g).output_size = {65535, 65535};
       }},
  });
}

TEST(GraphValidate, CodeByCode) {
  const auto affine = [](Graph& g) -> QAffine& { return op_at<QAffine>(g, 15); };
  expect_refusals({
      {"ops[1].hi: 300 is not in 0..255", [](Graph& g) { op_at<Clamp>(g, 1).hi = 300; }},
      {"ops[1].lo: 120 is not in 0..100", [](Graph& g) { op_at<Clamp>(g, 1).hi = 100; }},
      {"ops[2].function: '' is not", [](Graph& g) { op_at<Lookup>(g, 2).function = ""; }},
      {"ops[2].function: 'a b' is not", [](Graph& g) { op_at<Lookup>(g, 2).function = "a b"; }},
      {"ops[2].function: 'aaaa", [](Graph& g) { op_at<Lookup>(g, 2).function.assign(65, 'a'); }},
      {"ops[2].table: absent", [](Graph& g) { op_at<Lookup>(g, 2).table = {}; }},
      {"ops[2].table: found U8 (255), expected U8 (256)",
       [](Graph& g) { op_at<Lookup>(g, 2).table = make_tensor(std::vector<uint8_t>(255), {255}); }},
      {"ops[2].table: found U8 (3, 256), expected U8 (6, 256)",
       [](Graph& g) {
         op_at<Lookup>(g, 2).table = make_tensor(std::vector<uint8_t>(768), {3, 256});
       }},
      {"ops[2].table[255]: 4 is not in 0..3",
       [](Graph& g) {
         std::vector<uint8_t> table(256, 3);
         table[255] = 4;
         op_at<Lookup>(g, 2).table = make_tensor(table, {256});
         g.nodes[2].y = QParams{1.0f, 0, 2};
       }},
      {"ops[3].shift: 55 is not", [](Graph& g) { op_at<QMul>(g, 3).shift = 55; }},
      {"ops[3].multiplier: 4294967296 is not",
       [](Graph& g) { op_at<QMul>(g, 3).multiplier = int64_t{1} << 32; }},
      {"ops[3].inputs: (6, 8, 8) is neither (6, 1, 1)",
       [](Graph& g) {
         g.nodes[3].inputs = {1, 3};
       }},
      {"ops[3].inputs: (6, 1, 8) is neither",
       [](Graph& g) {
         g.inputs[1].shape = {6, 1, 8};
       }},
      {"ops[3].inputs: (6) is neither", [](Graph& g) { g.inputs[1].shape = {6}; }},
      {"ops[4].shift: 0 is not in 1..30", [](Graph& g) { op_at<QAdd>(g, 4).shift = 0; }},
      {"ops[4].shift: 31 is not in 1..30", [](Graph& g) { op_at<QAdd>(g, 4).shift = 31; }},
      {"ops[4].a_multiplier: 2097152 is not in -2097151..",
       [](Graph& g) { op_at<QAdd>(g, 4).a_multiplier = 1 << 21; }},
      {"ops[4].b_multiplier: -2097152 is not in",
       [](Graph& g) { op_at<QAdd>(g, 4).b_multiplier = -(1 << 21); }},
      {"ops[4].lo: 2 is not in 0..1", [](Graph& g) { op_at<QAdd>(g, 4).lo = 2, op_at<QAdd>(g, 4).hi = 1; }},
      {"ops[15].multiplier: found I32 (3), expected I32 (4)",
       [&](Graph& g) {
         affine(g).multiplier = i32({1, 2, 3});
       }},
      {"ops[15].shift[1]: 31 is not in 1..30",
       [&](Graph& g) {
         affine(g).shift = i32({10, 31, 1, 1});
       }},
      {"ops[15].multiplier[3]: 2097152 is not",
       [&](Graph& g) {
         affine(g).multiplier = i32({0, 0, 0, 1 << 21});
       }},
      // 2147483647 + 2^0 reaches 2^31; one less does not.
      {"ops[15].offset[0]: 2147483647 with multiplier 0 and shift 1 may leave int32",
       [&](Graph& g) {
         affine(g).multiplier = i32({0, 0, 0, 0});
         affine(g).offset = i32({INT32_MAX, 0, 0, 0});
         affine(g).shift = i32({1, 1, 1, 1});
       }},
      {"accepted",
       [&](Graph& g) {
         affine(g).multiplier = i32({0, 0, 0, 0});
         affine(g).offset = i32({INT32_MAX - 1, -INT32_MAX + 1, 0, 0});
         affine(g).shift = i32({1, 1, 1, 1});
       }},
      {"ops[15].offset[1]: -2147483648 with",
       [&](Graph& g) {
         affine(g).offset = i32({0, INT32_MIN, 0, 0});
       }},
  });
}

TEST(GraphValidate, Moves) {
  const auto concat = [](Graph& g) -> QConcat& { return op_at<QConcat>(g, 7); };
  const auto slice = [](Graph& g) -> Slice& { return op_at<Slice>(g, 9); };
  const auto pad = [](Graph& g) -> Pad& { return op_at<Pad>(g, 11); };
  expect_refusals({
      {"ops[7].axis: 3 is not in 0..2", [&](Graph& g) { concat(g).axis = 3; }},
      {"ops[7].axis: -1 is not in 0..2", [&](Graph& g) { concat(g).axis = -1; }},
      {"ops[7].axis: -100000 is not", [&](Graph& g) { concat(g).axis = -100000; }},
      {"ops[7].inputs: (6, 8, 8) and (6, 4, 4) differ in more than axis 0",
       [](Graph& g) {
         g.nodes[7].inputs = {8, 3};
       }},
      {"ops[7].multiplier: found I32 (2), expected I32 (3)",
       [](Graph& g) {
         g.nodes[7].inputs = {7, 8, 8};
       }},
      {"ops[7].shift: found I32 (1)", [&](Graph& g) { concat(g).shift = i32({32}); }},
      {"ops[7].multiplier: found I32 (1), expected I32 (2)",
       [&](Graph& g) { concat(g).shift = i32({32}), concat(g).multiplier = i32({1 << 30}); }},
      {"ops[8].order: found I32 (3), expected I32 (12)",
       [](Graph& g) {
         op_at<PermuteChannels>(g, 8).order = i32({0, 1, 2});
       }},
      {"ops[8].order: 12 is not in 0..11",
       [](Graph& g) {
         op_at<PermuteChannels>(g, 8).order = i32({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12});
       }},
      {"ops[8].order: -1 is not in",
       [](Graph& g) {
         op_at<PermuteChannels>(g, 8).order = i32({-1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
       }},
      {"ops[8].order: 3 occurs twice",
       [](Graph& g) {
         op_at<PermuteChannels>(g, 8).order = i32({0, 1, 2, 3, 3, 5, 6, 7, 8, 9, 10, 11});
       }},
      {"ops[9].axis: 3 is not in", [&](Graph& g) { slice(g).axis = 3; }},
      {"ops[9].stop: 13 is not in 1..12", [&](Graph& g) { slice(g).stop = 13; }},
      {"ops[9].start: 12 is not in 0..11", [&](Graph& g) { slice(g).start = 12; }},
      {"ops[9].start: -1 is not in", [&](Graph& g) { slice(g).start = -1; }},
      {"ops[9].step: 0 is not in", [&](Graph& g) { slice(g).step = 0; }},
      {"ops[11].mode: 'circular' is not", [&](Graph& g) { pad(g).mode = "circular"; }},
      {"ops[11].padding: 8 reflects more than the input (4, 8, 8)", [&](Graph& g) { pad(g).padding[1] = 8; }},
      {"ops[11].padding: -1 is not", [&](Graph& g) { pad(g).padding[1] = -1; }},
      {"ops[11].channels: 1 is not in 0..0", [&](Graph& g) { pad(g).channels[0] = 1; }},
      {"ops[11].value: 1 is not in 0..0", [&](Graph& g) { pad(g).value = 1; }},
      {"ops[11].value: 256 is not in 0..255",
       [&](Graph& g) { pad(g).mode = "constant", pad(g).value = 256; }},
      {"ops[12].output_size: 0 is not", [](Graph& g) { op_at<UpsampleNearest>(g, 12).output_size[0] = 0; }},
      {"ops[13].output_size: 65536 is not",
       [](Graph& g) { op_at<UpsampleBilinear>(g, 13).output_size[1] = 65536; }},
      {"ops[13].shape: (4, 65535, 65535) holds",
       [](Graph& g) {
         op_at<UpsampleBilinear>(g, 13).output_size = {65535, 65535};
       }},
      {"ops[16].shape: rank 0 is not", [](Graph& g) { op_at<Reshape>(g, 16).shape = {}; }},
      {"ops[16].shape: rank 4 is not",
       [](Graph& g) {
         op_at<Reshape>(g, 16).shape = {2, 2, 2, 2};
       }},
      {"ops[16].shape: (17) has not as many elements as (4, 2, 2)",
       [](Graph& g) { op_at<Reshape>(g, 16).shape = {17}; }},
      {"ops[16].shape: -16 is not",
       [](Graph& g) {
         op_at<Reshape>(g, 16).shape = {-16, -1};
       }},
  });
}

TEST(GraphValidate, LinearAndChannelwiseOperatorsTakeSequences) {
  Graph g = linear_graph(random_weights({5, 4}, 5, {}), 4, 5, {0.5f, 3, 8});
  g.inputs[0].shape = {7, 4};
  QAffine affine;
  affine.multiplier = affine.offset = affine.shift = i32({1, 1, 1, 1, 1});
  g.nodes.push_back({"bn", affine, {1}, QParams{}});
  g.nodes.push_back({"shuffle", PermuteChannels{i32({4, 3, 2, 1, 0})}, {2}, {}});
  g.outputs = {3};
  EXPECT_EQ(validate(g).values[3].shape, (Shape{7, 5}));
}

TEST(GraphValidate, HostileSizesEndQuickly) {
  // A chain whose pools would loop over 2^28 windows each.
  Graph g;
  g.inputs = {{"x", {1, 1 << 14, 1 << 14}, {}}};
  for (int i = 0; i < 1000; ++i) g.nodes.push_back({"pool" + std::to_string(i), QMaxPool2d{}, {i}, {}});
  g.outputs = {1000};
  EXPECT_EQ(refusal([&] { validate(g); }), "ops[0]: the pools of this graph have more than 67108864 windows");

  // 65535 paddings in each direction would give 2^32 divisors.
  Graph average;
  average.inputs = {{"x", {1, 8192, 8192}, {}}};
  QAvgPool2d pool;
  pool.kernel_size = {4096, 2048};
  pool.stride = {2, 2};
  pool.padding = {4095, 2047, 4095, 2047};
  average.nodes = {{"pool", pool, {0}, QParams{}}};
  average.outputs = {1};
  EXPECT_EQ(refusal([&] { validate(average); }),
            "ops[0].padding: this pool may have more than 65536 divisors");
  op_at<QAvgPool2d>(average, 0).padding = {0, 0, 0, 0};
  op_at<QAvgPool2d>(average, 0).kernel_size = {4096, 2049};
  EXPECT_EQ(refusal([&] { validate(average); }), "ops[0].kernel_size: 8392704 taps are more than 8388608");
}

}  // namespace
}  // namespace icepoint::testing
