// Every rule of the validator: broken once, refused, and the message names the place.
#include <gtest/gtest.h>

#include <cmath>

#include "refusals.h"

namespace icepoint::testing {
namespace {

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
