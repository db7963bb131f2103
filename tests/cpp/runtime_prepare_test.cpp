// What prepare makes of axes, channels and fused clamps, against loops over the logical order.
#include <gtest/gtest.h>

#include <numeric>

#include "core/requantize.h"
#include "graph_cases.h"
#include "random_graph.h"

namespace icepoint {
namespace {

const std::vector<Shape> kShapes{{7},       {1},       {3, 5},    {5, 1},   {1, 4},
                                 {4, 3, 5}, {1, 6, 2}, {5, 1, 1}, {2, 1, 7}};
const QParams kQ{0.5f, 10, 8};

/// Index of `position` in a dense array of `shape`.
int64_t flat(const Shape& shape, const Shape& position) {
  int64_t index = 0;
  for (size_t d = 0; d < shape.size(); ++d) index = index * shape[d] + position[d];
  return index;
}

/// Calls f with every position of `shape`, in order.
template <class F>
void for_each_position(const Shape& shape, const F& f) {
  for (int64_t i = 0; i < *numel(shape); ++i) {
    Shape position(shape.size());
    int64_t rest = i;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) position[d] = rest % shape[d];
    f(position);
  }
}

/// 0, 1, 2, ...: every element of a small value is another code.
std::vector<uint8_t> counted(const Shape& shape, int first = 0) {
  std::vector<uint8_t> codes(*numel(shape));
  std::iota(codes.begin(), codes.end(), static_cast<uint8_t>(first));
  return codes;
}

/// The output of one node whose inputs have `shapes` and the codes `xs`, on every table.
std::vector<uint8_t> run_node(const Op& op, const std::vector<Shape>& shapes, const Codes& xs,
                              std::optional<QParams> y) {
  Graph graph;
  Node node{"node", op, {}, y};
  for (const Shape& shape : shapes) {
    node.inputs.push_back(std::ssize(graph.inputs));
    graph.inputs.push_back({"in" + std::to_string(graph.inputs.size()), shape, kQ});
  }
  graph.nodes = {node};
  graph.outputs = {graph.value_count() - 1};
  const auto file = std::make_shared<const ModelFile>(file_of(graph, 0));
  Codes first;
  for (const std::string& isa : isas()) {
    const Codes now = run_codes(Model(file, kernels(isa)), xs, 1, 1);
    if (!first.empty()) {
      EXPECT_EQ(now, first) << isa;
    }
    first = now;
  }
  return first[0];
}

TEST(RuntimePrepare, SliceCutsItsLogicalAxis) {
  for (const Shape& shape : kShapes)
    for (size_t axis = 0; axis < shape.size(); ++axis)
      for (int64_t step : {1, 2}) {
        const int64_t start = shape[axis] / 3, stop = shape[axis];
        Shape out = shape;
        out[axis] = (stop - start + step - 1) / step;
        const std::vector<uint8_t> x = counted(shape);
        std::vector<uint8_t> expected;
        for_each_position(out, [&](Shape at) {
          at[axis] = start + at[axis] * step;
          expected.push_back(x[flat(shape, at)]);
        });
        EXPECT_EQ(run_node(Slice{static_cast<int64_t>(axis), start, stop, step}, {shape}, {x}, {}), expected)
            << to_string(shape) << " axis " << axis;
      }
}

TEST(RuntimePrepare, ConcatJoinsItsLogicalAxis) {
  for (const Shape& shape : kShapes)
    for (size_t axis = 0; axis < shape.size(); ++axis)
      for (const QParams& y : {kQ, QParams{0.5f, 30, 8}}) {  // the bytes move, or move by 20 codes
        Shape other = shape, out = shape;
        other[axis] += 2;
        out[axis] += other[axis];
        const std::vector<uint8_t> a = counted(shape), b = counted(other, 100);
        std::vector<uint8_t> expected;
        for_each_position(out, [&](Shape at) {
          const bool in_b = at[axis] >= shape[axis];
          if (in_b) at[axis] -= shape[axis];
          const int code = in_b ? b[flat(other, at)] : a[flat(shape, at)];
          expected.push_back(static_cast<uint8_t>(code - kQ.zero_point + y.zero_point));
        });
        // 2^30 * 2^-30: the factor 1.
        QConcat op{static_cast<int64_t>(axis), make_tensor(std::vector<int32_t>{1 << 30, 1 << 30}, {2}),
                   make_tensor(std::vector<int32_t>{30, 30}, {2})};
        EXPECT_EQ(run_node(op, {shape, other}, {a, b}, y), expected) << to_string(shape) << " axis " << axis;
      }
}

TEST(RuntimePrepare, ChannelsAreTheFirstAxisOfOneAndThreeAndTheLastOfTwo) {
  for (const Shape& shape : kShapes) {
    const size_t axis = shape.size() == 2 ? 1 : 0;
    const int64_t c = shape[axis];
    const std::vector<uint8_t> x = counted(shape);
    std::vector<int32_t> order(c), m(c), b(c), s(c, 8);
    std::vector<uint8_t> table(c * 256), permuted, looked_up, affine;
    for (int64_t i = 0; i < c; ++i) {
      order[i] = static_cast<int32_t>((i + 1) % c);
      m[i] = static_cast<int32_t>(256 + 64 * i);
      b[i] = static_cast<int32_t>(1000 * i);
      for (int64_t code = 0; code < 256; ++code)
        table[i * 256 + code] = static_cast<uint8_t>(3 * code + 17 * i);
    }
    for_each_position(shape, [&](const Shape& at) {
      Shape from = at;
      from[axis] = order[at[axis]];
      permuted.push_back(x[flat(shape, from)]);
      const int code = x[flat(shape, at)];
      looked_up.push_back(table[at[axis] * 256 + code]);
      const int wide = ((code - kQ.zero_point) * m[at[axis]] + b[at[axis]] + 128) >> 8;
      affine.push_back(static_cast<uint8_t>(std::clamp(wide + 20, 0, 255)));
    });
    const QParams y{0.5f, 20, 8};
    EXPECT_EQ(run_node(PermuteChannels{make_tensor(order, {c})}, {shape}, {x}, {}), permuted)
        << to_string(shape);
    EXPECT_EQ(run_node(Lookup{"f", make_tensor(table, {c, 256})}, {shape}, {x}, y), looked_up)
        << to_string(shape);
    EXPECT_EQ(
        run_node(QAffine{make_tensor(m, {c}), make_tensor(b, {c}), make_tensor(s, {c})}, {shape}, {x}, y),
        affine)
        << to_string(shape);
  }
}

TEST(RuntimePrepare, ReshapeKeepsTheLogicalOrder) {
  const Shape from{4, 3, 5};
  for (const Shape& to :
       std::vector<Shape>{{60}, {4, 15}, {12, 5}, {3, 4, 5}, {5, 3, 4}, {60, 1, 1}, {1, 6, 10}}) {
    EXPECT_EQ(run_node(Reshape{to}, {from}, {counted(from)}, {}), counted(from)) << to_string(to);
    EXPECT_EQ(run_node(Reshape{from}, {to}, {counted(to)}, {}), counted(to)) << to_string(to);
  }
}

TEST(RuntimePrepare, PadFillsEachSideOfItsOwn) {
  const Shape shape{2, 3, 4};
  const std::vector<uint8_t> x = counted(shape, 1);
  Pad op;
  op.padding = {1, 2, 3, 0};  // top, left, bottom, right
  op.channels = {2, 1};
  op.value = 99;
  std::vector<uint8_t> expected;
  for_each_position({5, 7, 6}, [&](const Shape& at) {
    const Shape from{at[0] - 2, at[1] - 1, at[2] - 2};
    bool inside = true;
    for (int d : {0, 1, 2}) inside = inside && from[d] >= 0 && from[d] < shape[d];
    expected.push_back(inside ? x[flat(shape, from)] : 99);
  });
  EXPECT_EQ(run_node(op, {shape}, {x}, {}), expected);
}

/// add -> clamp -> clamp: two ranges fused into one, also where they do not meet.
TEST(RuntimePrepare, FusedClampsGiveTheCodesOfSeparateOnes) {
  const std::vector<std::pair<int64_t, int64_t>> ranges{{0, 255},  {20, 255},  {0, 30},
                                                        {90, 110}, {200, 255}, {7, 7}};
  std::vector<uint8_t> x(256);
  std::iota(x.begin(), x.end(), 0);
  for (const auto& own : ranges)
    for (const auto& first : ranges)
      for (const auto& second : ranges) {
        Graph graph;
        graph.inputs = {{"x", {256}, kQ}};
        graph.nodes = {{"add", QAdd{1 << 9, 0, 9, own.first, own.second}, {0, 0}, QParams{0.5f, 10, 8}},
                       {"a", Clamp{first.first, first.second}, {1}, {}},
                       {"b", Clamp{second.first, second.second}, {2}, {}}};
        graph.outputs = {3};
        const auto file = std::make_shared<const ModelFile>(file_of(graph, 0));
        std::vector<uint8_t> expected;
        for (int64_t code : x)
          expected.push_back(static_cast<uint8_t>(
              std::clamp(std::clamp(std::clamp(code, own.first, own.second), first.first, first.second),
                         second.first, second.second)));
        EXPECT_EQ(run_codes(Model(file, kernels()), {x}, 1, 1)[0], expected);
      }
}

// An input with the output's qparams moves unchanged whatever its multiplier says: a clamp that is fused
// into the concat must not wake that multiplier.
TEST(RuntimePrepare, AClampBehindAConcatLeavesTheBytesThatMoved) {
  Graph graph;
  graph.inputs = {{"x", {256}, kQ}, {"z", {256}, {0.5f, 20, 8}}};
  graph.nodes = {{"join",
                  QConcat{0, make_tensor(std::vector<int32_t>{1 << 30, 1 << 30}, {2}),
                          make_tensor(std::vector<int32_t>{20, 31}, {2})},  // factors 1024 and 1/2
                  {0, 1},
                  kQ},
                 {"relu", Clamp{10, 200}, {2}, {}}};
  graph.outputs = {3};
  const auto file = std::make_shared<const ModelFile>(file_of(graph, 0));
  std::vector<uint8_t> x(256), expected;
  std::iota(x.begin(), x.end(), 0);
  for (int code : x) expected.push_back(static_cast<uint8_t>(std::clamp(code, 10, 200)));
  for (int code : x)
    expected.push_back(
        static_cast<uint8_t>(requantize_clamp(code - 20, 1 << 30, 31, kQ.zero_point, 10, 200)));
  for (const std::string& isa : isas())
    EXPECT_EQ(run_codes(Model(file, kernels(isa)), {x, x}, 1, 1)[0], expected) << isa;
}

}  // namespace
}  // namespace icepoint
