// A small file must not ask for endless tables, arrays or time: caps over a whole graph.
#include <gtest/gtest.h>

#include "graph_fixtures.h"

namespace icepoint::testing {
namespace {

Graph with_input(const Shape& shape) {
  Graph g;
  g.inputs = {{"x", shape, {0.5f, 3, 8}}};
  return g;
}

int64_t append(Graph& g, Op op, int64_t x) {
  g.nodes.push_back({"op" + std::to_string(g.nodes.size()), std::move(op), {x}, std::nullopt});
  return g.value_count() - 1;
}

constexpr const char* kTooManyPositions =
    "the pools and moves of this graph look up more than 16777216 rows, columns and channels";

TEST(GraphCaps, OneLongAxisIsNoTableOfGigabytes) {
  for (const Op& op : {Op(Slice{.axis = 1, .start = 0, .stop = 1 << 26, .step = 1}),
                       Op(Pad{.mode = "replicate", .padding = {1, 0, 0, 0}}), Op(PermuteChannels{i32({0})}),
                       Op(QMaxPool2d{})}) {
    Graph g = with_input({1, 1 << 26, 1});
    g.outputs = {append(g, op, 0)};
    EXPECT_EQ(refusal([&] { validate(g); }), std::string("ops[0]: ") + kTooManyPositions) << op_name(op);
  }
}

TEST(GraphCaps, TablesOfAChainAreCountedTogether) {
  for (const Op& op :
       {Op(UpsampleBilinear{{65535, 1}, false}), Op(UpsampleNearest{{65535, 1}}), Op(QMaxPool2d{})}) {
    Graph g = with_input({1, 65535, 1});
    int64_t last = 0;
    for (int i = 0; i < 255; ++i) last = append(g, op, last);
    g.outputs = {last};
    EXPECT_EQ(refusal([&] { validate(g); }), "accepted") << op_name(op);
    for (int i = 0; i < 2; ++i) last = append(g, op, last);
    g.outputs = {last};
    const std::string refused = refusal([&] { validate(g); });
    EXPECT_NE(refused.find(kTooManyPositions), std::string::npos) << op_name(op) << ": " << refused;
  }
}

TEST(GraphCaps, OutputsReshapedInPlaceAreArraysOfTheirOwn) {
  Graph g = with_input({1, 1 << 14, 1 << 14});  // 256 MiB
  int64_t last = append(g, Clamp{0, 200}, 0);
  g.outputs = {last};
  for (int i = 0; i < 3; ++i) g.outputs.push_back(last = append(g, Reshape{{1, 1 << 14, 1 << 14}}, last));
  EXPECT_EQ(refusal([&] { validate(g); }), "accepted");
  g.outputs.push_back(append(g, Reshape{{1 << 28}}, last));
  EXPECT_EQ(refusal([&] { validate(g); }),
            "outputs[4]: the outputs of one image have more than 1073741824 bytes");
}

}  // namespace
}  // namespace icepoint::testing
