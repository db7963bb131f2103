// Which operators run as one: only where no byte can change, and wherever that is so.
#include <gtest/gtest.h>

#include "graph_fixtures.h"
#include "runtime/plan.h"

namespace icepoint {
namespace {

const QParams kY{0.5f, 20, 8};

/// A graph that is written down node by node; every convolution makes (4, 6, 6).
class Sketch {
 public:
  Sketch() { graph_.inputs.push_back({"x", {4, 6, 6}, {0.5f, 10, 8}}); }

  int64_t add(Op op, std::vector<int64_t> inputs, std::optional<QParams> y = {}) {
    int64_t channels = channels_[inputs[0]];
    if (std::holds_alternative<QConcat>(op))
      for (size_t i = 1; i < inputs.size(); ++i) channels += channels_[inputs[i]];
    channels_.push_back(std::holds_alternative<QConv2d>(op) ? 4 : channels);
    graph_.nodes.push_back({"op" + std::to_string(graph_.nodes.size()), std::move(op), std::move(inputs), y});
    return graph_.value_count() - 1;
  }
  int64_t conv(int64_t x, int64_t kernel = 3) {
    QConv2d op;
    op.kernel_size = {kernel, kernel};
    op.padding = {kernel / 2, kernel / 2, kernel / 2, kernel / 2};
    op.out_channels = 4;
    op.weights = weights(4, {4, channels_[x], kernel, kernel});
    return add(op, {x}, kY);
  }
  int64_t linear(int64_t x, int64_t in) {
    QLinear op;
    op.out_features = 3;
    op.weights = weights(3, {3, in});
    return add(op, {x}, kY);
  }
  int64_t sum(int64_t a, int64_t b) { return add(QAdd{1000, 900, 10, 0, 255}, {a, b}, kY); }
  int64_t relu(int64_t x) { return add(Clamp{20, 255}, {x}); }
  int64_t concat(std::vector<int64_t> xs, const QParams& y = kY) {
    const auto n = std::ssize(xs);
    QConcat op;
    op.axis = 0;
    op.multiplier = make_tensor(std::vector<int32_t>(n, 1 << 30), {n});
    op.shift = make_tensor(std::vector<int32_t>(n, 30), {n});
    op.lo = 0, op.hi = 255;
    return add(op, std::move(xs), y);
  }
  int64_t flatten(int64_t x, int64_t size) { return add(Reshape{{size}}, {x}); }

  Plan plan(std::vector<int64_t> outputs, bool keep_all = false) {
    graph_.outputs = std::move(outputs);
    return make_plan(graph_, validate(graph_), keep_all);
  }

 private:
  static Weights weights(int64_t rows, const Shape& shape) {
    Weights w;
    w.weight = make_tensor(std::vector<int8_t>(*numel(shape), 1), shape);
    w.weight_scale = make_tensor(std::vector<float>(rows, 0.5f), {rows});
    w.multiplier = make_tensor(std::vector<int32_t>(rows, 1 << 30), {rows});
    w.shift = make_tensor(std::vector<int32_t>(rows, 38), {rows});
    return w;
  }

  Graph graph_;
  std::vector<int64_t> channels_{4};  // of every value
};

// Values are numbered from 1 on (0 is the input), so node i writes value i + 1.

TEST(RuntimeFusions, AResidualAddJoinsTheLaterConvolution) {
  for (bool swap : {false, true}) {
    Sketch s;
    const int64_t first = s.relu(s.conv(0)), second = s.relu(s.conv(first));  // nodes 0 1, 2 3
    const int64_t sum = s.sum(swap ? first : second, swap ? second : first);  // node 4
    const int64_t relu = s.relu(sum);
    const Plan plan = s.plan({relu});
    EXPECT_EQ(plan.host, (std::vector<int64_t>{0, 0, 2, 2, 2, 2}));
    EXPECT_EQ(plan.guest, (std::vector<int64_t>{-1, -1, 4, -1, -1, -1}));
    EXPECT_EQ(plan.narrows, (std::vector<int64_t>{-1, 0, -1, 2, -1, 4}));
    EXPECT_EQ(plan.root[relu], sum);
    EXPECT_EQ(plan.root[second], sum);
    EXPECT_NE(plan.places[sum].offset, plan.places[first].offset);
    EXPECT_EQ(s.plan({relu}, true).host, (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  }
}

TEST(RuntimeFusions, TwoConvolutionsAddUpInTheSecond) {
  Sketch s;
  const int64_t a = s.conv(0), b = s.conv(0, 1);
  const Plan plan = s.plan({s.sum(a, b)});
  EXPECT_EQ(plan.guest, (std::vector<int64_t>{-1, 2, -1}));
}

TEST(RuntimeFusions, AnAdditionStaysAloneWhereTheConvolutionIsReadTwiceOrTheRestComesLater) {
  {
    Sketch s;
    const int64_t conv = s.conv(0), sum = s.sum(conv, 0);
    EXPECT_EQ(s.plan({sum, conv}).guest[0], -1) << "an output";
  }
  {
    Sketch s;
    const int64_t conv = s.conv(0);
    EXPECT_EQ(s.plan({s.sum(conv, conv)}).guest[0], -1) << "added to itself";
  }
  {
    Sketch s;
    const int64_t conv = s.conv(0);
    const int64_t later = s.add(QMaxPool2d{{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, {0});
    EXPECT_EQ(s.plan({s.sum(conv, later)}).guest[0], -1) << "the other operand is written later";
  }
  {
    Sketch s;
    const int64_t pooled = s.add(QMaxPool2d{{6, 6}, {1, 1}}, {0});  // (4, 1, 1)
    const int64_t conv = s.conv(0);
    EXPECT_EQ(s.plan({s.sum(conv, pooled)}).guest[1], -1) << "a broadcast";
  }
}

TEST(RuntimeFusions, OnlyTheHalvingMaxPoolJoinsItsConvolution) {
  const auto guest_of = [](const QMaxPool2d& pool) {
    Sketch s;
    const int64_t conv = s.relu(s.conv(0));
    return s.plan({s.add(pool, {conv})}).guest[0];
  };
  EXPECT_EQ(guest_of({{2, 2}, {2, 2}}), 2);
  EXPECT_EQ(guest_of({{2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, true}), 2);  // an even map: nothing to round up
  EXPECT_EQ(guest_of({{2, 2}, {1, 1}}), -1);
  EXPECT_EQ(guest_of({{3, 3}, {2, 2}}), -1);
  EXPECT_EQ(guest_of({{2, 2}, {2, 2}, {1, 1}, {1, 0, 0, 0}}), -1);
  EXPECT_EQ(guest_of({{2, 2}, {2, 2}, {2, 2}}), -1);
}

TEST(RuntimeFusions, AConvolutionTakesOneGuest) {
  Sketch s;
  const int64_t sum = s.sum(s.conv(0), 0);
  const Plan plan = s.plan({s.add(QMaxPool2d{{2, 2}, {2, 2}}, {sum})});
  EXPECT_EQ(plan.guest, (std::vector<int64_t>{1, -1, -1}));
}

TEST(RuntimeFusions, AFlattenGoesIntoTheWeightsWhereLinearLayersAloneReadIt) {
  {
    Sketch s;
    const int64_t flat = s.flatten(s.conv(0), 144);
    const Plan plan = s.plan({s.linear(flat, 144), s.linear(flat, 144)});
    EXPECT_EQ(plan.flattened[flat], (Extent{6, 6, 4}));
    EXPECT_EQ(plan.host[1], -1);
  }
  {
    Sketch s;
    const int64_t flat = s.flatten(s.conv(0), 144);
    const Plan plan = s.plan({s.linear(flat, 144), s.relu(flat)});
    EXPECT_EQ(plan.flattened[flat].numel(), 0) << "a clamp reads the logical order";
    EXPECT_TRUE(plan.runs(1));
  }
  {
    Sketch s;
    const int64_t conv = s.conv(0), flat = s.flatten(conv, 144);
    const Plan plan = s.plan({s.linear(flat, 144), s.conv(conv)});
    EXPECT_EQ(plan.flattened[flat].numel(), 0) << "a convolution wants a halo around the map";
  }
}

TEST(RuntimeFusions, AMapHasTheLargestHaloThatIsReadAroundIt) {
  Sketch s;
  const int64_t relu = s.relu(s.conv(0, 1));
  const int64_t near = s.conv(relu), far = s.conv(relu, 5);
  const Plan plan = s.plan({near, far});
  EXPECT_EQ(plan.places[relu].halo, (Halo{2, 2, 2, 2}));
  EXPECT_EQ(plan.places[relu].row, 10 * 4);
  EXPECT_EQ(plan.places[relu].image, 10 * 10 * 4);
  EXPECT_EQ(plan.places[relu].origin, 2 * 40 + 2 * 4);
  EXPECT_EQ(plan.places[near].halo, Halo{});
}

/// Whether x lies in y's buffer, as its channels from `channel` on.
bool lies_in(const Plan& plan, int64_t x, int64_t y, int64_t channel) {
  const Place &a = plan.places[x], &b = plan.places[y];
  return a.offset == b.offset && a.pixel == b.pixel && a.origin == b.origin + channel;
}

TEST(RuntimeFusions, AConcatenationHasItsInputsWrittenWhereItLies) {
  Sketch s;
  const int64_t a = s.conv(0, 1), b = s.relu(s.conv(0, 1)), pool = s.add(QMaxPool2d{}, {a});
  const int64_t cat = s.concat({a, pool, b});
  const int64_t c = s.conv(cat, 1), last = s.concat({cat, c});
  const int64_t out = s.conv(last, 3);
  const Plan plan = s.plan({out});
  for (int64_t y : {cat, last}) EXPECT_EQ(plan.host[y - 1], -1);
  EXPECT_TRUE(lies_in(plan, a, cat, 0) && lies_in(plan, pool, cat, 4) && lies_in(plan, b, cat, 8));
  EXPECT_TRUE(lies_in(plan, cat, last, 0) && lies_in(plan, c, last, 12) && lies_in(plan, b, last, 8));
  EXPECT_EQ(plan.places[b].pixel, 16);
  EXPECT_EQ(plan.places[b].extent.c, 4);
  // The halo of who reads the whole is around all of it.
  EXPECT_EQ(plan.places[a].halo, (Halo{1, 1, 1, 1}));
  EXPECT_EQ(plan.places[a].row, 8 * 16);
  const Plan kept = s.plan({out}, true);
  for (int64_t i = 0; i < out; ++i) EXPECT_EQ(kept.host[i], i);
}

TEST(RuntimeFusions, AChainOfConcatenationsIsOneBuffer) {
  const QParams fine{0.25f, 20, 8};
  for (const QParams& first : {kY, fine}) {  // with `fine` the first one is requantized, once
    Sketch s;
    const int64_t a = s.add(QAdd{1000, 900, 10, 0, 255}, {0, 0}, first), b = s.conv(a, 1);
    const int64_t two = s.concat({a, b});
    const int64_t c = s.conv(two, 1), three = s.concat({a, b, c});
    const int64_t d = s.conv(three, 1), four = s.concat({a, b, c, d});
    const Plan plan = s.plan({s.conv(four, 1)});
    EXPECT_EQ(plan.host[two - 1], first == kY ? -1 : two - 1);
    for (int64_t cat : {three, four}) EXPECT_EQ(plan.host[cat - 1], -1);
    EXPECT_EQ(plan.moved[two - 1], (std::vector<bool>{first == kY, true}));
    EXPECT_TRUE(lies_in(plan, two, four, 0) && lies_in(plan, c, four, 8) && lies_in(plan, d, four, 12));
    EXPECT_EQ(lies_in(plan, a, four, 0), first == kY);
    EXPECT_EQ(plan.places[two].extent.c, 8);
  }
}

TEST(RuntimeFusions, AConcatenationCopiesWhatCannotLieInIt) {
  const QParams other{0.25f, 20, 8};
  Sketch s;
  const int64_t a = s.conv(0, 1), b = s.conv(0, 1), haloed = s.conv(0, 1), late = s.conv(0, 1);
  const int64_t far = s.add(QAdd{1000, 900, 10, 0, 255}, {a, b}, other);
  const int64_t read = s.conv(haloed, 3);
  const int64_t all = s.concat({a, a, far, haloed, late, 0});
  const int64_t small = s.conv(all, 1);
  const int64_t clamped = s.relu(s.concat({s.conv(small, 1), s.conv(small, 1)}));
  const int64_t out = s.concat({b, read});
  const Plan plan = s.plan({out, s.sum(s.conv(clamped, 1), late), read});
  // The second a, another meaning, a halo, a value that is read longer, the network's input.
  EXPECT_EQ(plan.moved[all - 1], (std::vector<bool>{true, false, false, false, false, false}));
  EXPECT_EQ(plan.moved[out - 1], (std::vector<bool>{true, false}));
  EXPECT_TRUE(lies_in(plan, a, all, 0) && lies_in(plan, b, out, 0));
  for (int64_t cat : {all, out}) EXPECT_EQ(plan.host[cat - 1], cat - 1);
  EXPECT_EQ(plan.narrows[clamped - 1], clamped - 2);
  EXPECT_EQ(plan.host[clamped - 2], clamped - 2);
}

TEST(RuntimeFusions, AWholeThatWouldWaitLongForItsPartsIsPutTogetherByCopying) {
  for (int64_t width : {1, 18}) {  // values that live between the first part and the others
    Sketch s;
    std::vector<int64_t> parts{s.conv(0, 1)}, between;
    const int64_t x = s.conv(0, 1);
    for (int64_t i = 0; i < width; ++i) between.push_back(s.add(QMaxPool2d{}, {x}));
    int64_t sum = between[0];
    for (int64_t v : between) sum = s.sum(sum, v);
    for (int i = 0; i < 10; ++i) parts.push_back(s.conv(sum, 1));
    const int64_t cat = s.concat(parts);
    EXPECT_EQ(s.plan({s.conv(cat, 1)}).host[cat - 1], width == 1 ? -1 : cat - 1);
  }
}

}  // namespace
}  // namespace icepoint
