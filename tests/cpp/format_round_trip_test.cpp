// Writing and reading: every operator comes back, equal models give equal bytes, one spelling only.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "format/header.h"
#include "format_fixtures.h"
#include "random_graph.h"

namespace icepoint::testing {
namespace {

void expect_equal(const Tensor& a, const Tensor& b, const std::string& who) {
  ASSERT_EQ(static_cast<bool>(a), static_cast<bool>(b)) << who;
  if (!a) return;
  ASSERT_EQ(a.dtype, b.dtype) << who;
  ASSERT_EQ(a.shape, b.shape) << who;
  ASSERT_EQ(std::memcmp(a.data.get(), b.data.get(), static_cast<size_t>(a.count() * size_of(a.dtype))), 0)
      << who;
}

TEST(FormatRoundTrip, EveryOperatorComesBack) {
  const ModelFile model = model_of(every_operator());
  const Bytes bytes = write_model(model);
  const ModelFile back = read(bytes);
  EXPECT_EQ(graph_json(back.graph), graph_json(model.graph));
  EXPECT_EQ(back.graph.outputs, model.graph.outputs);
  EXPECT_EQ(back.made_by, model.made_by);
  EXPECT_EQ(back.self_check.outputs, model.self_check.outputs);
  EXPECT_EQ(back.self_check.values, model.self_check.values);
  EXPECT_EQ(back.proof.overflow, validate(model.graph).overflow);
  EXPECT_EQ(back.file_bytes, static_cast<int64_t>(bytes.size()));
  const auto tensors = graph_tensors(model.graph), again = graph_tensors(back.graph);
  ASSERT_EQ(tensors.size(), again.size());
  for (const auto& [name, tensor] : tensors) expect_equal(tensor, again.at(name), name);
  for (size_t i = 0; i < 2; ++i)
    expect_equal(model.self_check.inputs[i], back.self_check.inputs[i], "self_check");

  std::set<std::string> seen;
  for (const Node& node : back.graph.nodes) seen.insert(op_name(node.op));
  EXPECT_EQ(seen.size(), std::variant_size_v<Op>) << "every_operator() lacks one";
}

TEST(FormatRoundTrip, RecipeComesBack) {
  const Recipe r = read(write_model(small_model())).recipe;
  EXPECT_EQ(r.channels, 1);
  EXPECT_EQ(r.height, 4);
  EXPECT_EQ(r.width, 4);
  EXPECT_EQ(r.divide, 255);
  EXPECT_EQ(r.mean, std::vector<float>{0.5f});
  EXPECT_EQ(r.std, std::vector<float>{0.25f});
  EXPECT_EQ(r.classes, (std::vector<std::string>{"zero", "one", "t\u00f6w"}));
}

TEST(FormatRoundTrip, RandomGraphsAreWrittenAsTheyWereRead) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const ModelFile model = model_of(RandomGraph(seed, 12).graph());
    const Bytes bytes = write_model(model);
    ASSERT_EQ(write_model(model), bytes);
    ASSERT_EQ(write_model(read(bytes)), bytes);
  }
}

TEST(FormatRoundTrip, LayoutOfTheBytes) {
  const Bytes bytes = write_model(small_model());
  const Parts parts = split(bytes);
  EXPECT_EQ(parts.header.substr(0, 27), kHeaderOpening);
  EXPECT_EQ((bytes.size() - parts.payload.size()) % 64, 0u);
  EXPECT_EQ(peek_digest(bytes), read(bytes).digest);
  EXPECT_EQ(with_digest(bytes), bytes);
  EXPECT_EQ(join(parts), bytes);
  // The header is plain safetensors: names, dtypes and places, dense and in order of size and name.
  const auto header = nlohmann::ordered_json::parse(parts.header);
  int64_t at = 0;
  std::string last;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const bool wide = entry["dtype"] == "I32" || entry["dtype"] == "F32";
    const std::string order = (wide ? "0" : "1") + name;
    EXPECT_LT(last, order);
    last = order;
    EXPECT_EQ(entry["data_offsets"][0], at);
    int64_t bytes_of = wide ? 4 : 1;
    for (int64_t d : entry["shape"]) bytes_of *= d;
    at += bytes_of;
    EXPECT_EQ(entry["data_offsets"][1], at);
  }
  EXPECT_EQ(at, static_cast<int64_t>(parts.payload.size()));
}

TEST(FormatRoundTrip, ScalesKeepEveryBit) {
  for (float scale : {0x1p-100f, 0x1p100f, 0.1f, 1.0f / 3.0f, 1.17549435e-30f, 123456.789f, 1e10f, 1.0f}) {
    ModelFile model = small_model();
    model.graph.inputs[0].q.scale = scale;
    EXPECT_EQ(read(write_model(model)).graph.inputs[0].q.scale, scale);
  }
}

TEST(FormatRoundTrip, BytesThatLieAnywhereAreRead) {
  const Bytes bytes = write_model(small_model());
  for (size_t shift = 0; shift < 8; ++shift) {
    std::shared_ptr<uint8_t> moved(new uint8_t[bytes.size() + 8], std::default_delete<uint8_t[]>());
    std::memcpy(moved.get() + shift, bytes.data(), bytes.size());
    const ModelFile file = read_model({moved, moved.get() + shift}, bytes.size());
    EXPECT_EQ(write_model(file), bytes);
  }
}

TEST(FormatRoundTrip, ParseGraphTakesAnyOrderAndSpelling) {
  const Graph graph = every_operator();
  const auto tensors = graph_tensors(graph);
  const std::string canonical = graph_json(graph);
  // Indented, and with each key where nlohmann's unordered reading puts it.
  const std::string loose = nlohmann::json::parse(canonical).dump(2);
  EXPECT_NE(loose, canonical);
  EXPECT_EQ(graph_json(parse_graph(loose, tensors)), canonical);
  auto spare = tensors;
  spare["fc.extra"] = i32({1});
  EXPECT_EQ(refusal([&] { parse_graph(canonical, spare); }), "tensor 'fc.extra': belongs to no operator");
  auto missing = tensors;
  missing.erase("fc.multiplier");
  EXPECT_EQ(refusal([&] { parse_graph(canonical, missing); }),
            "ops[17].multiplier: there is no tensor 'fc.multiplier'");
}

TEST(FormatWriter, RefusesUnsoundModels) {
  const auto refused = [](const std::function<void(ModelFile&)>& spoil) {
    ModelFile model = small_model();
    spoil(model);
    return refusal([&] { write_model(model); });
  };
  EXPECT_EQ(refused([](ModelFile&) {}), "accepted");
  EXPECT_EQ(refused([](ModelFile& m) { m.graph.outputs.clear(); }), "outputs: none, expected at least 1");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.channels = 2; }), "recipe.channels: 2 is not 1 or 3");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.channels = 0; }),
            "recipe.channels: 0, but the recipe has a mean, std, classes or resize");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.height = 5; }),
            "recipe: its image (1, 5, 4) is not the first input, (1, 4, 4)");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.divide = 0; }), "recipe.divide: 0 is not 1 or 255");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.mean = {1, 2}; }), "recipe.mean: 2 numbers, expected 1");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.mean = {NAN}; }), "recipe.mean: nan is not finite");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.std = {0}; }), "recipe.std: 0 is not finite and above 0");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.std = {-1}; }), "recipe.std: -1 is not finite and above 0");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.std.clear(); }), "recipe.std: 0 numbers, expected 1");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.classes.pop_back(); }),
            "recipe.classes: 2 names for 3 channels of the first output, at most 65536");
  EXPECT_EQ(refused([](ModelFile& m) { m.recipe.classes[0] = "a\nb"; }),
            "recipe.classes: 'a\\x0ab' is not UTF-8 without control characters");
  EXPECT_EQ(refused([](ModelFile& m) { m.self_check.inputs.clear(); }), "self_check: 0 inputs, expected 1");
  EXPECT_EQ(refused([](ModelFile& m) {
              m.self_check.inputs[0].shape = {1, 2, 4, 4};
            }),
            "self_check.0: found (1, 2, 4, 4), expected (1, 1, 4, 4)");
  EXPECT_EQ(refused([](ModelFile& m) {
              m.self_check.inputs[0] = make_tensor(Bytes(17 * 16), {17, 1, 4, 4});
            }),
            "self_check.0: the number of inputs: 17 is not in 1..16");
  EXPECT_EQ(refused([](ModelFile& m) {
              m.graph.inputs[0].q = {1.0f, 3, 2};
            }),
            "self_check.0: 128 is not in 0..3");
  EXPECT_EQ(refused([](ModelFile& m) { m.self_check.values.pop_back(); }),
            "self_check.values: 3 digests for 4 operators");
  EXPECT_EQ(refused([](ModelFile& m) { m.self_check.outputs[5] = 'A'; }).substr(0, 20),
            "self_check.outputs: ");
  EXPECT_EQ(refused([](ModelFile& m) { m.self_check.values[2] = "12"; }),
            "self_check.values: '12' is not 64 lower-case hex digits");
  EXPECT_EQ(refused([](ModelFile& m) { m.made_by["x"] = "\x1b[31m"; }),
            "made_by.x: '\\x1b[31m' is not UTF-8 without control characters");
  EXPECT_EQ(refused([](ModelFile& m) { m.made_by["x"].assign(1025, 'a'); }),
            "made_by.x: 1025 bytes are more than 1024");
  EXPECT_EQ(refused([](ModelFile& m) {
              for (int i = 0; i < 65; ++i) m.made_by[std::to_string(i)] = "";
            }),
            "made_by: 67 entries are more than 64");
}

}  // namespace
}  // namespace icepoint::testing
