// Graphs spoiled at random, field by field: refused in words, or sound on every road through the library.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "format/header.h"
#include "format_fixtures.h"
#include "graph_cases.h"
#include "layers/layers.h"
#include "random_outputs.h"
#include "runtime/cost.h"
#include "runtime/describe.h"

namespace icepoint::testing {
namespace {

using Json = nlohmann::json;

// A graph as Python hands it over: the JSON text's tree and its named tensors.
struct Source {
  Json graph;
  std::map<std::string, Tensor> tensors;
};

Source source_of(const Graph& graph) {
  return {Json::parse(graph_json(graph)), graph_tensors(graph)};
}

/// every_operator(), and each of its nodes alone: there nothing behind a node refuses what it made.
std::vector<Source> seeds() {
  const Graph whole = every_operator();
  const Proof proof = validate(whole);
  std::vector<Source> sources{source_of(whole)};
  for (const Node& node : whole.nodes) {
    Graph alone;
    Node copy = node;
    copy.inputs.clear();
    for (int64_t v : node.inputs) {
      copy.inputs.push_back(alone.value_count());
      const ValueInfo& x = proof.values[v];
      alone.inputs.push_back({std::string("x").append(std::to_string(v)), x.shape, x.q});
    }
    alone.nodes = {copy};
    alone.outputs = {static_cast<int64_t>(alone.inputs.size())};
    sources.push_back(source_of(alone));
  }
  return sources;
}

class Spoiler {
 public:
  explicit Spoiler(uint32_t seed) : random_(seed) {}

  Source spoiled(Source source) {
    for (int64_t i = pick(1, 3); i > 0; --i) pick(0, 3) ? json(source.graph) : tensor(source.tensors);
    if (pick(0, 3)) repair_divisors(source);
    return source;
  }

  /// A few bytes of the file overwritten.
  Bytes spoiled(Bytes bytes) {
    for (int64_t i = pick(1, 4); i > 0; --i)
      bytes[pick(0, std::ssize(bytes) - 1)] = static_cast<uint8_t>(random_());
    return bytes;
  }

 private:
  int64_t pick(int64_t lo, int64_t hi) { return lo + static_cast<int64_t>(random_() % (hi - lo + 1)); }
  template <class List>
  auto& any(List& list) {
    return *std::next(list.begin(), pick(0, std::ssize(list) - 1));
  }

  Json value() {
    static const std::vector<Json> values{-1,
                                          0,
                                          1,
                                          2,
                                          3,
                                          4,
                                          5,
                                          7,
                                          9,
                                          16,
                                          64,
                                          127,
                                          128,
                                          255,
                                          256,
                                          4095,
                                          65534,
                                          65535,
                                          65536,
                                          1 << 24,
                                          1 << 28,
                                          (1 << 28) + 1,
                                          INT32_MAX,
                                          4294967296,
                                          INT64_MAX,
                                          INT64_MIN,
                                          0.5,
                                          1e-30,
                                          1e300,
                                          true,
                                          false,
                                          nullptr,
                                          "",
                                          "x",
                                          "constant",
                                          "replicate",
                                          Json::array(),
                                          Json::object()};
    return any(values);
  }

  // Walks down to a random place of the tree and changes it.
  void json(Json& at) {
    if (at.is_structured() && !at.empty() && pick(0, 9)) return json(any(at));
    if (at.is_structured() && !at.empty()) {
      const int64_t kind = pick(0, 3);
      if (kind == 0 && at.is_object())
        return void(at.erase(std::next(at.begin(), pick(0, std::ssize(at) - 1)).key()));
      if (kind == 0) return at.erase(static_cast<size_t>(pick(0, std::ssize(at) - 1)));
      if (kind == 1 && at.is_array()) return at.push_back(Json(any(at)));
      if (kind == 2 && at.is_array()) return std::swap(any(at), any(at));
      if (at.is_object()) at["extra"] = value();
    } else if (at.is_number_integer() && pick(0, 1)) {
      // Near the old value: still sound more often than not.
      at = static_cast<int64_t>(at.get<uint64_t>() + static_cast<uint64_t>(pick(-2, 2)));
    } else {
      at = value();
    }
  }

  void tensor(std::map<std::string, Tensor>& tensors) {
    if (tensors.empty()) return;
    Tensor& t = any(tensors).second;
    const int64_t kind = pick(0, 9), bytes = t.count() * size_of(t.dtype);
    if (kind == 0) return void(tensors.erase(std::next(tensors.begin(), pick(0, std::ssize(tensors) - 1))));
    if (kind == 1) return void(tensors["extra.weight"] = t);
    if (kind == 2) return void(t = any(tensors).second);
    if (kind == 3) {
      // Another dtype or shape of the same bytes, exactly as many as there are.
      t.dtype = std::vector{DType::i8, DType::u8, DType::i32, DType::f32}[pick(0, 3)];
      t.shape = {bytes / size_of(t.dtype)};
      return;
    }
    if (bytes == 0) return;
    std::shared_ptr<uint8_t> copy(new uint8_t[bytes], std::default_delete<uint8_t[]>());
    std::memcpy(copy.get(), t.data.get(), bytes);
    const std::vector<uint8_t> bytes_of{0, 1, 0x7F, 0x80, 0xFF, static_cast<uint8_t>(random_())};
    for (int64_t i = pick(1, 4); i > 0; --i) copy.get()[pick(0, bytes - 1)] = any(bytes_of);
    t.data = std::move(copy);
  }

  // Averages list their divisors, so that nearly every change of one would be refused for that alone.
  static void repair_divisors(Source& source) try {
    Graph graph = parse_graph(source.graph.dump(), source.tensors);
    if (graph.nodes.size() != 1) return;
    const auto repair = [&](const std::vector<int64_t>& divisors) {
      const std::string name = graph.nodes[0].name;
      const size_t n = divisors.size();
      source.tensors[name + ".divisors"] = i32({divisors.begin(), divisors.end()});
      source.tensors[name + ".multiplier"] = i32(std::vector<int32_t>(n, 1 << 30));
      source.tensors[name + ".shift"] = i32(std::vector<int32_t>(n, 32));
    };
    const Shape& x = graph.inputs.at(0).shape;
    if (x.size() != 3 || numel(x).value_or(1 << 20) >= 1 << 20) return;
    const Extent extent{x[1], x[2], x[0]};
    if (auto* avg = std::get_if<QAvgPool2d>(&graph.nodes[0].op)) {
      const Window w{avg->kernel_size, avg->stride, avg->padding, {1, 1}};
      check_window(w, "pool");
      repair(avg_pool2d_divisors(extent, w, avg->ceil_mode, avg->count_include_pad, avg->divisor_override));
    } else if (auto* pool = std::get_if<QAdaptiveAvgPool2d>(&graph.nodes[0].op)) {
      for (int64_t d : pool->output_size) require_range(d, 1, 1000, "pool");
      repair(adaptive_avg_pool2d_divisors(extent, pool->output_size));
    }
  } catch (const std::invalid_argument&) {  // nothing to repair
  }

  std::mt19937 random_;
};

/// Small enough for self-check inputs.
bool small_inputs(const Graph& graph) {
  return std::all_of(graph.inputs.begin(), graph.inputs.end(),
                     [](const Input& input) { return *numel(input.shape) < 1 << 22; });
}

struct Count {
  int rounds = 0, accepted = 0, run = 0;
};

/// A sound file takes every road: to bytes and back, described, run by two tables of kernels.
void expect_sound(ModelFile file, Count& count) {
  ++count.accepted;
  int64_t work = 0;
  for (int64_t i = 0; i < std::ssize(file.graph.nodes); ++i) {
    const int64_t one = cost_of(file.graph, file.proof, i).work;
    work += std::min<int64_t>(one, 1 << 30);
  }
  const bool small = work < 3'000'000;
  if (!small) {  // prepared and described all the same: a stranger's file is, before it runs
    const Model model(std::make_shared<const ModelFile>(std::move(file)), kernels());
    EXPECT_TRUE(Json::accept(describe_json(model)));
    return;
  }
  ++count.run;
  file.output_recipe = random_output_recipe(file.graph, file.proof, count.rounds);
  if (count.rounds % 2) ask_for_accumulators(file.output_recipe, file.graph, file.proof);
  fill_self_check(file);
  const Bytes bytes = write_model(file);
  const auto read = std::make_shared<const ModelFile>(read_model(shared(bytes), bytes.size()));
  EXPECT_EQ(write_model(*read), bytes);
  const Model model(read, kernels());
  EXPECT_TRUE(Json::accept(describe_json(model)));
  EXPECT_EQ(verify(model), "");
  EXPECT_EQ(verify(Model(read, kernels("reference"))), "");
}

void round(uint32_t seed, const std::vector<Source>& sources, Count& count) {
  ++count.rounds;
  Spoiler spoiler(seed);
  const Source source = spoiler.spoiled(sources[seed % sources.size()]);
  Graph graph;
  try {
    graph = parse_graph(source.graph.dump(), source.tensors);
    const Proof proof = validate(graph);
    make_plan(graph, proof, true);  // the caps of memory
    ModelFile file = small_inputs(graph) ? model_of(graph) : ModelFile{};
    file.graph = std::move(graph);
    file.proof = proof;
    expect_sound(std::move(file), count);
  } catch (const std::invalid_argument& refused) {
    EXPECT_FALSE(std::string(refused.what()).empty());
  }
}

uint32_t from_environment(const char* name, uint32_t otherwise) {
  const char* text = std::getenv(name);
  return text ? static_cast<uint32_t>(std::strtoul(text, nullptr, 10)) : otherwise;
}

TEST(GraphFuzz, SpoiledGraphsAreRefusedOrSound) {
  const std::vector<Source> sources = seeds();
  const uint32_t first = from_environment("ICEPOINT_FUZZ_SEED", 1);
  const uint32_t rounds = from_environment("ICEPOINT_FUZZ_ROUNDS", 3000);
  Count count;
  for (uint32_t seed = first; seed < first + rounds; ++seed) {
    SCOPED_TRACE("ICEPOINT_FUZZ_SEED=" + std::to_string(seed));
    round(seed, sources, count);
  }
  std::printf("%d graphs, %d sound, %d run\n", count.rounds, count.accepted, count.run);
  EXPECT_GT(count.run, count.rounds / 50);
}

TEST(GraphFuzz, SpoiledBytesWithTheRightDigestAreRefusedOrTheSame) {
  Graph graph = every_operator();
  ModelFile file = model_of(graph);
  file.proof = validate(file.graph);
  file.output_recipe.assign(file.graph.outputs.size(), {OutputFunction::Kind::argmax, 0});
  file.recipe = {3, 8, 8, 1, {1, 2, 3}, {4, 5, 6}, {}, {.fit = Resize::Fit::letterbox, .fill = 114}};
  const Bytes bytes = write_model(file);
  const uint32_t first = from_environment("ICEPOINT_FUZZ_SEED", 1);
  const uint32_t rounds = from_environment("ICEPOINT_FUZZ_ROUNDS", 3000);
  int accepted = 0;
  for (uint32_t seed = first; seed < first + rounds; ++seed) {
    SCOPED_TRACE("ICEPOINT_FUZZ_SEED=" + std::to_string(seed));
    const Bytes spoiled = with_digest(Spoiler(seed).spoiled(bytes));
    if (verdict(spoiled) != "accepted") continue;
    ++accepted;
    const auto read = std::make_shared<const ModelFile>(read_model(shared(spoiled), spoiled.size()));
    EXPECT_EQ(write_model(*read), spoiled);  // one spelling
    verify(Model(read, kernels()));
  }
  std::printf("%u files, %d sound\n", rounds, accepted);
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace icepoint::testing
