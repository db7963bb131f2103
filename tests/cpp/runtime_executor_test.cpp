// One frozen graph gives the same bytes however it is run: tables, threads, batches, fusions, trace.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <thread>

#include "core/float_env.h"
#include "graph_cases.h"
#include "kernels/select.h"
#include "random_graph.h"
#include "runtime/model.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

class RuntimeExecutor : public testing::Test {
 protected:
  void TearDown() override { set_num_threads(before_); }
  const int before_ = num_threads();
};

constexpr int64_t kImages = 17;  // 4 threads take whole images from 16 on
constexpr int kGraphs = 120;     // of 12 nodes; the operators that occur are counted below

Graph small_graph(uint32_t seed) {
  return RandomGraph(seed, 12).graph();
}

TEST_F(RuntimeExecutor, TheRandomGraphsHoldEveryOperator) {
  std::map<std::string, int> occurs;
  for (int seed = 0; seed < kGraphs; ++seed)
    for (const Node& node : small_graph(seed).nodes) ++occurs[op_name(node.op)];
  EXPECT_EQ(occurs.size(), std::variant_size_v<Op>);
  for (const auto& [op, count] : occurs) EXPECT_GE(count, 10) << op;
}

/// Model's outputs and trace against `expected`, the codes of every value for all of `inputs`.
void expect_same_everywhere(const Graph& graph, const Codes& inputs, int64_t n) {
  const Codes expected = evaluate(graph, inputs, n);
  const auto file = std::make_shared<const ModelFile>(file_of(graph, 0));
  for (const std::string& isa : isas()) {
    const Model model(file, kernels(isa));
    for (int threads : {1, 2, 3, 4}) {
      set_num_threads(threads);
      for (int64_t split : {int64_t{1}, int64_t{2}, int64_t{5}, n})
        for (size_t i = 0; const std::vector<uint8_t>& y : run_codes(model, inputs, n, split))
          ASSERT_EQ(y, expected[graph.outputs[i++]]) << isa << " threads " << threads << " split " << split;
      size_t seen = 0;
      model.trace(pointers(inputs), n, [&](int64_t value, std::span<const uint8_t> codes) {
        ASSERT_EQ(value, static_cast<int64_t>(seen++));
        ASSERT_TRUE(std::ranges::equal(codes, expected[value]))
            << isa << " threads " << threads << " value " << value;
      });
      ASSERT_EQ(seen, expected.size());
    }
  }
}

TEST_F(RuntimeExecutor, EveryWayOfRunningGivesTheBytesOfEachNodeAlone) {
  for (int seed = 0; seed < kGraphs; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Graph graph = small_graph(seed);
    expect_same_everywhere(graph, random_codes(graph, kImages, seed), kImages);
    if (HasFatalFailure()) return;
  }
}

TEST_F(RuntimeExecutor, LayersThatAreSplitAmongThreadsGiveTheSameBytes) {
  for (int seed = 1000; seed < 1012; ++seed) {  // large enough for parts of their own
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Graph graph = RandomGraph(seed, 6, 5).graph();
    expect_same_everywhere(graph, random_codes(graph, 3, seed), 3);
    if (HasFatalFailure()) return;
  }
}

TEST_F(RuntimeExecutor, ExtremeCodesStayInsideTheProof) {
  for (int seed = 0; seed < 20; ++seed)
    for (bool high : {false, true}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " high " << high);
      const Graph graph = small_graph(seed);
      Codes inputs = random_codes(graph, 2, seed);
      for (size_t i = 0; i < inputs.size(); ++i)
        std::ranges::fill(inputs[i], static_cast<uint8_t>(high ? graph.inputs[i].q.qmax() : 0));
      expect_same_everywhere(graph, inputs, 2);
      if (HasFatalFailure()) return;
    }
}

TEST_F(RuntimeExecutor, FloatsAreQuantizedAndDequantizedExactly) {
  const float inf = std::numeric_limits<float>::infinity();
  for (int seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Graph graph = small_graph(seed);
    const Model model(std::make_shared<const ModelFile>(file_of(graph, 0)), kernels());
    std::mt19937 random(seed);
    std::vector<std::vector<float>> inputs;
    Codes codes;
    for (const Input& input : graph.inputs) {
      const float reach = input.q.scale * 400;
      std::vector<float> x(kImages * *numel(input.shape));
      for (float& value : x) value = std::uniform_real_distribution<float>(-reach, reach)(random);
      const float special[] = {NAN, inf, -inf, 1e30f, -1e30f, 0x1p31f, -0x1p31f, 1e-40f, -0.0f};
      for (float value : special) x[random() % x.size()] = value;
      std::vector<uint8_t> q;
      for (float value : x)
        q.push_back(static_cast<uint8_t>(
            quantize_value(value, input.q.scale, input.q.zero_point, 0, input.q.qmax())));
      inputs.push_back(x);
      codes.push_back(q);
    }
    const Codes expected = run_codes(model, codes, kImages, kImages);
    Codes quantized = expected;
    for (auto& y : quantized) std::ranges::fill(y, 1);
    std::vector<const float*> from;
    for (const auto& x : inputs) from.push_back(x.data());
    model.run_both(from, kImages, mutable_pointers(quantized), {});
    EXPECT_EQ(quantized, expected);

    std::vector<std::vector<float>> y;
    for (const auto& codes_of_one : expected) y.emplace_back(codes_of_one.size(), NAN);
    std::vector<float*> to;
    for (auto& values : y) to.push_back(values.data());
    model.run(from, kImages, to);
    for (size_t i = 0; i < y.size(); ++i) {
      const QParams q = model.file().proof.values[graph.outputs[i]].q;
      for (size_t k = 0; k < y[i].size(); ++k)
        ASSERT_EQ(y[i][k], static_cast<float>(expected[i][k] - q.zero_point) * q.scale) << "output " << i;
    }
  }
}

#if defined(__SSE2__)
TEST_F(RuntimeExecutor, TheCallersFloatModesChangeNothingAndComeBack) {
  Graph graph;
  graph.inputs = {{"x", {3, 4, 5}, {0x1p-100f, 3, 8}}};  // inputs below 2^-126 * 2^26 matter here
  graph.nodes = {{"relu", Clamp{0, 250}, {0}, {}}};
  graph.outputs = {1};
  const Model model(std::make_shared<const ModelFile>(file_of(graph, 0)), kernels());
  std::vector<float> x(60);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 0x1.1p-100f;
  std::vector<std::vector<float>> y(2, std::vector<float>(60));
  const unsigned before = _mm_getcsr();
  for (int i : {0, 1}) {
    if (i == 1) _mm_setcsr(before | 0x8040u | 0x4000u);  // flush, denormals are zero, round upward
    const unsigned during = _mm_getcsr();
    const float* from[] = {x.data()};
    float* to[] = {y[i].data()};
    model.run(from, 1, to);
    EXPECT_EQ(_mm_getcsr() & 0xFFC0u, during & 0xFFC0u);
    _mm_setcsr(before);
  }
  EXPECT_EQ(y[0], y[1]);
}
#endif

TEST_F(RuntimeExecutor, SixteenThreadsOnOneModel) {
  const Graph graph = RandomGraph(7, 15, 2).graph();
  const Model model(std::make_shared<const ModelFile>(file_of(graph, 0)), kernels());
  const Codes inputs = random_codes(graph, kImages, 7);
  const Codes expected = run_codes(model, inputs, kImages, kImages);
  set_num_threads(2);
  std::atomic<int> different{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        if (t == 0 && i % 20 == 0) set_num_threads(1 + i / 20 % 4);
        // One image of its own, and now and then the whole batch.
        const int64_t n = i % 40 == t ? kImages : 1;
        const Codes y = run_codes(model, images(graph, inputs, 0, n), n, n);
        for (size_t o = 0; o < y.size(); ++o)
          different += !std::equal(y[o].begin(), y[o].end(), expected[o].begin());
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different, 0);
}

TEST_F(RuntimeExecutor, AnEmptyBatchGivesEmptyOutputs) {
  const Graph graph = small_graph(1);
  const Model model(std::make_shared<const ModelFile>(file_of(graph, 0)), kernels());
  const std::vector<const uint8_t*> in(graph.inputs.size(), nullptr);
  const std::vector<uint8_t*> out(graph.outputs.size(), nullptr);
  model.run_codes(in, 0, out);
  int64_t seen = 0;
  model.trace(in, 0, [&](int64_t, std::span<const uint8_t> codes) { seen += codes.empty(); });
  EXPECT_EQ(seen, graph.value_count());
}

TEST_F(RuntimeExecutor, BadCallsAreRefusedInWords) {
  Graph graph;
  graph.inputs = {{"x", {2, 3, 3}, {0.5f, 3, 4}}};
  graph.nodes = {{"relu", Clamp{3, 15}, {0}, {}}};
  graph.outputs = {1};
  const auto file = std::make_shared<const ModelFile>(file_of(graph, 0));
  const Model model(file, kernels());
  std::vector<uint8_t> x(18, 5), y(18);
  const std::vector<const uint8_t*> in{x.data()}, two{x.data(), x.data()}, null{nullptr};
  const std::vector<uint8_t*> out{y.data()}, none;
  const auto refused = [&](const auto& from, int64_t n, const auto& to) -> std::string {
    try {
      model.run_codes(from, n, to);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused(in, 1, out), "accepted");
  EXPECT_EQ(refused(two, 1, out), "run_codes: 2 inputs, the model takes 1");
  EXPECT_EQ(refused(in, 1, none), "run_codes: 0 outputs, the model gives 1");
  EXPECT_EQ(refused(null, 1, out), "run_codes: input 0 is a null pointer");
  EXPECT_EQ(refused(in, -1, out), "run_codes: a batch of -1 images, expected 0 or more");
  EXPECT_EQ(refused(in, int64_t{1} << 60, out),
            "run_codes: 1152921504606846976 images of (2, 3, 3) do not fit memory");
  x[7] = 16;  // the proof knows 4 bits
  EXPECT_EQ(refused(in, 1, out), "run_codes: input 0 holds the code 16 at element 7, expected 0..15");
  EXPECT_THROW(model.trace(in, 1, [](int64_t, std::span<const uint8_t>) {}), std::invalid_argument);
  EXPECT_THROW(model.profile(0, 1), std::invalid_argument);

  ModelFile unproved = *file;
  unproved.proof = {};
  EXPECT_THROW(Model(std::make_shared<const ModelFile>(unproved), kernels()), std::invalid_argument);
}

TEST_F(RuntimeExecutor, ProfileTimesEveryNode) {
  const Graph graph = RandomGraph(3, 12, 3).graph();
  const Model model(std::make_shared<const ModelFile>(file_of(graph, 0)), kernels());
  const std::vector<double> seconds = model.profile(2, 3);
  ASSERT_EQ(seconds.size(), graph.nodes.size());
  EXPECT_TRUE(std::ranges::all_of(seconds, [](double s) { return s >= 0 && s < 60; }));
  EXPECT_GT(*std::ranges::max_element(seconds), 0);
  EXPECT_GT(model.weight_bytes(), 0);
}

}  // namespace
}  // namespace icepoint
