// The validator's rules of pools, code-by-code operators and moves: broken once, refused by name.
#include <gtest/gtest.h>

#include "refusals.h"

namespace icepoint::testing {
namespace {

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

}  // namespace
}  // namespace icepoint::testing
