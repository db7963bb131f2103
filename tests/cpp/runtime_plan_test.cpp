// The arena's layout and the plan: nothing alive overlaps, fusions only where they are identities.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <stdexcept>

#include "runtime/arena.h"
#include "runtime/plan.h"

namespace icepoint {
namespace {

constexpr int64_t kCap = int64_t{1} << 40;

/// Bytes alive at the fullest step, each value rounded up: no layout can need less.
int64_t least_bytes(const std::vector<Lifetime>& lives, int64_t steps) {
  std::vector<int64_t> alive(steps + 1);
  for (const Lifetime& life : lives) {
    const int64_t bytes = (life.bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
    alive[life.first] += bytes;
    alive[life.last + 1] -= bytes;
  }
  int64_t most = 0, now = 0;
  for (int64_t bytes : alive) most = std::max(most, now += bytes);
  return most;
}

void expect_sound(const std::vector<Lifetime>& lives, const Layout& layout) {
  ASSERT_EQ(layout.offsets.size(), lives.size());
  for (size_t i = 0; i < lives.size(); ++i) {
    ASSERT_EQ(layout.offsets[i] % kArenaAlignment, 0);
    ASSERT_GE(layout.offsets[i], 0);
    ASSERT_LE(layout.offsets[i] + lives[i].bytes, layout.bytes);
    for (size_t j = 0; j < i; ++j) {
      const bool together = lives[i].first <= lives[j].last && lives[j].first <= lives[i].last;
      const bool apart = layout.offsets[i] + lives[i].bytes <= layout.offsets[j] ||
                         layout.offsets[j] + lives[j].bytes <= layout.offsets[i];
      ASSERT_TRUE(!together || apart) << "values " << j << " and " << i;
    }
  }
}

TEST(RuntimeArena, ValuesAliveTogetherNeverOverlap) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto pick = [&](int64_t lo, int64_t hi) {
      return std::uniform_int_distribution<int64_t>(lo, hi)(random);
    };
    const int64_t count = pick(1, 80), steps = pick(1, 100), longest = pick(1, 100);
    std::vector<Lifetime> lives;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t first = pick(0, steps - 1);
      lives.push_back({first, std::min(steps - 1, first + pick(0, longest)), pick(1, 5) * pick(1, 4000)});
    }
    const Layout layout = assign_offsets(lives, steps, kCap);
    expect_sound(lives, layout);
    EXPECT_GE(layout.bytes, least_bytes(lives, steps));
  }
}

TEST(RuntimeArena, AChainNeedsItsTwoLargestNeighbours) {
  // Lengths of a small network's values; each lives until the next is there.
  const std::vector<int64_t> bytes{3072, 65536, 16384, 32768, 8192, 8192, 1000, 10};
  std::vector<Lifetime> lives;
  for (int64_t i = 0; i < std::ssize(bytes); ++i) lives.push_back({i, i + 1, bytes[i]});
  EXPECT_EQ(assign_offsets(lives, std::ssize(bytes) + 1, kCap).bytes, 65536 + 16384);
}

TEST(RuntimeArena, ResidualBlocksReachTheLeast) {
  // x -> conv -> conv -> add(x): three equal values alive at the add.
  std::vector<Lifetime> lives;
  for (int64_t block = 0; block < 50; ++block) {
    const int64_t t = 3 * block;
    lives.push_back({t, t + 3, 4096});
    lives.push_back({t + 1, t + 2, 4096});
    lives.push_back({t + 2, t + 3, 4096});
  }
  EXPECT_EQ(assign_offsets(lives, 154, kCap).bytes, 3 * 4096);
}

TEST(RuntimeArena, TheCapIsExactAndSaysSo) {
  const std::vector<Lifetime> lives{{0, 1, 1000}, {1, 2, 1000}};
  EXPECT_EQ(assign_offsets(lives, 3, 2048).bytes, 2048);
  EXPECT_THROW(assign_offsets(lives, 3, 2047), std::invalid_argument);
}

TEST(RuntimeArena, BlocksAreReusedAndAligned) {
  ArenaPool pool(1000);
  const uint8_t* first = nullptr;
  {
    const ArenaPool::Block a = pool.take(), b = pool.take();
    first = b.get();
    EXPECT_NE(a.get(), b.get());
    for (const uint8_t* p : {a.get(), b.get()})
      EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % kArenaAlignment, 0u);
  }
  const ArenaPool::Block a = pool.take(), b = pool.take();
  EXPECT_TRUE(a.get() == first || b.get() == first);
}

TEST(RuntimeArena, BeyondTheBoundOnItsWorkALayoutIsStillSound) {
  constexpr int64_t kCount = 4000;  // all alive together: more visits than the bound
  std::vector<Lifetime> lives;
  for (int64_t i = 0; i < kCount; ++i) lives.push_back({i / 2, kCount - i / 2, 1 + i % 300});
  expect_sound(lives, assign_offsets(lives, kCount + 1, kCap));
}

double seconds_for(const std::vector<Lifetime>& lives, int64_t steps, int64_t* bytes) {
  const auto start = std::chrono::steady_clock::now();
  *bytes = assign_offsets(lives, steps, kCap).bytes;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(RuntimeArena, AHundredThousandValuesTakeSecondsWhateverTheirShape) {
  constexpr int64_t kCount = 100'000;
  std::mt19937 random(1);
  std::vector<Lifetime> chain, nested, all, random_lives;
  for (int64_t i = 0; i < kCount; ++i) {
    const auto bytes = static_cast<int64_t>(1 + random() % 4096);
    chain.push_back({i, i + 1, bytes});
    nested.push_back({i / 2, kCount - i / 2, bytes});
    all.push_back({i, kCount, bytes});
    const auto first = static_cast<int64_t>(random() % kCount);
    random_lives.push_back({first, first + static_cast<int64_t>(random() % (kCount - first + 1)), bytes});
  }
  for (const auto* lives : {&chain, &nested, &all, &random_lives}) {
    int64_t bytes = 0;
    EXPECT_LT(seconds_for(*lives, kCount + 1, &bytes), 20.0);  // quadratic work would take minutes
    EXPECT_GE(bytes, least_bytes(*lives, kCount + 1));
    if (lives == &chain) {
      EXPECT_LE(bytes, 2 * least_bytes(chain, kCount + 1));
    }
  }
}

// --- the plan of a graph ---

Graph with_input(Shape shape) {
  Graph graph;
  graph.inputs.push_back({"x", std::move(shape), {0.5f, 10, 8}});
  return graph;
}

int64_t append(Graph& graph, Op op, std::vector<int64_t> inputs, std::optional<QParams> y = {}) {
  graph.nodes.push_back({"op" + std::to_string(graph.nodes.size()), std::move(op), std::move(inputs), y});
  return graph.value_count() - 1;
}

const QParams kY{0.5f, 20, 8};
const Op kAdd = QAdd{1000, 1000, 10, 0, 255};

TEST(RuntimePlan, AClampFusesOnlyWhereNothingElseReads) {
  for (int extra_reader : {0, 1, 2}) {  // none, another node, the outputs
    Graph graph = with_input({2, 3, 3});
    const int64_t sum = append(graph, kAdd, {0, 0}, kY);
    const int64_t relu = append(graph, Clamp{20, 255}, {sum});
    graph.outputs = {relu};
    if (extra_reader == 1) graph.outputs.push_back(append(graph, Clamp{0, 99}, {sum}));
    if (extra_reader == 2) graph.outputs.push_back(sum);
    const Proof proof = validate(graph);
    const Plan plan = make_plan(graph, proof);
    EXPECT_EQ(!plan.runs(1), extra_reader == 0) << extra_reader;
    EXPECT_EQ(plan.root[relu] == sum, extra_reader == 0) << extra_reader;
    EXPECT_TRUE(make_plan(graph, proof, true).runs(1));
  }
}

TEST(RuntimePlan, ClampsFuseOneBehindTheOtherButNotBehindMoves) {
  Graph graph = with_input({2, 3, 3});
  const int64_t sum = append(graph, kAdd, {0, 0}, kY);
  const int64_t first = append(graph, Clamp{20, 255}, {sum});
  const int64_t second = append(graph, Clamp{0, 100}, {first});
  const int64_t slice = append(graph, Slice{0, 0, 1, 1}, {second});
  graph.outputs = {append(graph, Clamp{30, 90}, {slice})};
  const Plan plan = make_plan(graph, validate(graph));
  EXPECT_EQ(plan.host, (std::vector<int64_t>{0, 0, 0, 3, 4}));
  EXPECT_EQ(plan.root[second], sum);
}

TEST(RuntimePlan, ReshapesStayInPlaceWhereTheOrderIsTheSame) {
  const std::vector<std::tuple<Shape, Shape, bool>> cases{
      {{4, 1, 1}, {4}, true},    {{1, 3, 4}, {12}, true},       {{12}, {3, 4}, true},
      {{3, 4}, {1, 4, 3}, true}, {{2, 3, 4}, {2, 3, 4}, true},  {{2, 3, 4}, {24}, false},
      {{24}, {2, 3, 4}, false},  {{2, 3, 4}, {4, 3, 2}, false}, {{1, 3, 4}, {2, 3, 2}, false},
      {{6}, {6, 1, 1}, true},
  };
  for (const auto& [from, to, in_place] : cases) {
    Graph graph = with_input(from);
    graph.outputs = {append(graph, Reshape{to}, {0})};
    for (bool keep_all : {false, true}) {
      const Plan plan = make_plan(graph, validate(graph), keep_all);
      EXPECT_EQ(!plan.runs(0), in_place) << to_string(from) << " to " << to_string(to);
      EXPECT_EQ(plan.places[0].offset == plan.places[1].offset, in_place);
    }
  }
}

TEST(RuntimePlan, AValueSharedInPlaceLivesAsLongAsItsLastReader) {
  Graph graph = with_input({12});
  const int64_t sum = append(graph, kAdd, {0, 0}, kY);
  const int64_t flat = append(graph, Reshape{{3, 4}}, {sum});
  int64_t other = append(graph, kAdd, {sum, sum}, kY);
  for (int i = 0; i < 5; ++i) other = append(graph, kAdd, {other, other}, kY);
  const int64_t back = append(graph, Reshape{{12}}, {flat});
  graph.outputs = {append(graph, kAdd, {other, back}, kY)};
  const Plan plan = make_plan(graph, validate(graph));
  for (int64_t v = other - 5; v <= other; ++v) EXPECT_NE(plan.places[v].offset, plan.places[sum].offset) << v;
  EXPECT_EQ(plan.places[back].offset, plan.places[sum].offset);
}

TEST(RuntimePlan, TheArenaIsCappedBeforeAnythingIsAllocated) {
  Graph graph = with_input({256, 1024, 1024});  // 256 MiB, the largest value
  std::vector<int64_t> wide;
  for (int i = 0; i < 4; ++i) wide.push_back(append(graph, Clamp{0, 200}, {0}));
  graph.outputs = wide;
  try {
    make_plan(graph, validate(graph));
    FAIL() << "5 values of 256 MiB fit 1 GiB";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("1073741824"), std::string::npos) << error.what();
  }
  graph.nodes.pop_back();
  graph.outputs.pop_back();
  EXPECT_EQ(make_plan(graph, validate(graph)).arena_bytes, kMaxArenaBytes);
}

TEST(RuntimePlan, AHundredThousandNodes) {
  Graph graph = with_input({64});
  int64_t last = 0;
  for (int64_t i = 0; i < kMaxNodes; ++i) last = append(graph, kAdd, {last, last}, kY);
  graph.outputs = {last};
  const Proof proof = validate(graph);
  const auto start = std::chrono::steady_clock::now();
  const Plan plan = make_plan(graph, proof);
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 10.0);
  EXPECT_EQ(plan.arena_bytes, 128);  // two neighbours
}

}  // namespace
}  // namespace icepoint
