// Outputs from accumulators: reals by hand, the codes as ever, equal bytes on every road.
#include <gtest/gtest.h>

#include <cmath>

#include "format/recipes.h"
#include "graph_cases.h"
#include "kernels/select.h"
#include "random_graph.h"
#include "random_outputs.h"
#include "refusals.h"
#include "runtime/model.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

using Reals = std::vector<std::vector<float>>;

/// Codes and reals of n images, handed over `split` at a time.
std::pair<Codes, Reals> run_both(const Model& model, const Codes& inputs, int64_t n, int64_t split) {
  const Graph& graph = model.file().graph;
  std::pair<Codes, Reals> all{Codes(graph.outputs.size()), Reals(graph.outputs.size())};
  for (int64_t first = 0; first < n; first += split) {
    const int64_t now = std::min(split, n - first);
    Codes codes;
    Reals reals;
    std::vector<float*> to;
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      codes.emplace_back(static_cast<size_t>(now * model.output_count(i)), 0xAA);
      reals.emplace_back(codes.back().size(), -5.0f);
    }
    for (auto& one : reals) to.push_back(one.data());
    model.run_both(pointers(images(graph, inputs, first, now)), now, mutable_pointers(codes), to);
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      all.first[i].insert(all.first[i].end(), codes[i].begin(), codes[i].end());
      all.second[i].insert(all.second[i].end(), reals[i].begin(), reals[i].end());
    }
  }
  return all;
}

/// y = 3 x0 - 2 x1 + 5 and y = x1 - 1 of (2): codes of scale 0.5 and zero_point 10 to codes of scale 4.
ModelFile two_rows() {
  QLinear linear;
  linear.out_features = 2;
  linear.weights.weight = make_tensor<int8_t>({3, -2, 0, 1}, {2, 2});
  linear.weights.weight_scale = make_tensor<float>({2.0f, 0.25f}, {2});
  linear.weights.bias = make_tensor<int32_t>({5, -1}, {2});
  // M = 0.5 * 2 / 4 and 0.5 * 0.25 / 4
  linear.weights.multiplier = make_tensor<int32_t>({1 << 30, 1 << 30}, {2});
  linear.weights.shift = make_tensor<int32_t>({32, 35}, {2});
  ModelFile file;
  file.graph.inputs = {{"x", {2}, {0.5f, 10, 8}}};
  file.graph.nodes = {{"fc", linear, {0}, QParams{4.0f, 100, 8}}};
  file.graph.outputs = {1};
  file.proof = validate(file.graph);
  file.output_recipe = {{.accumulators = true}};
  return file;
}

TEST(RuntimeAccumulators, RealsByHand) {
  for (const std::string& isa : isas()) {
    const Model model(std::make_shared<const ModelFile>(two_rows()), kernels(isa), Model::Keep::running);
    // Codes 12, 7 are 2 and -3 above the zero point: accumulators 6 + 6 + 5 = 17 and -3 - 1 = -4.
    const auto [codes, reals] = run_both(model, {{12, 7}}, 1, 1);
    EXPECT_EQ(reals, (Reals{{17.0f, -0.5f}})) << isa;  // 17 * 0.5 * 2, -4 * 0.5 * 0.25
    EXPECT_EQ(codes, (Codes{{104, 100}})) << isa;      // 17 / 4 = 4.25, -0.125
  }
}

TEST(RuntimeAccumulators, CodesAsEverAndEqualBytesOnEveryRoad) {
  constexpr int64_t kImages = 17;  // 4 threads take whole images from 16 on
  const int before = num_threads();
  int64_t asked = 0, functions = 0;
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    ModelFile made = file_of(RandomGraph(seed, 8, seed % 10 == 9 ? 4 : 1).graph(), seed);
    const auto plain = std::make_shared<const ModelFile>(made);
    made.output_recipe.resize(made.graph.outputs.size());
    const int64_t here = ask_for_accumulators(made.output_recipe, made.graph, made.proof);
    if (here == 0) continue;
    asked += here;
    const auto file = std::make_shared<const ModelFile>(made);
    const Codes inputs = random_codes(file->graph, kImages, seed);
    const auto expected = run_both(Model(file, kernels("reference")), inputs, kImages, kImages);
    EXPECT_EQ(expected.first, run_codes(Model(plain, kernels("reference")), inputs, kImages, kImages));
    for (size_t i = 0; i < expected.first.size(); ++i) {
      const QParams q = file->output(i).q;
      for (size_t k = 0; k < expected.first[i].size(); ++k) {
        const int code = expected.first[i][k];
        const float real = expected.second[i][k];
        if (!file->output_function(i).accumulators)
          ASSERT_EQ(real, static_cast<float>(code - q.zero_point) * q.scale);
        else
          ASSERT_TRUE(std::isfinite(real));
      }
    }
    for (const std::string& isa : isas()) {
      const Model model(file, kernels(isa), Model::Keep::running);
      for (int threads : {1, 2, 4}) {
        set_num_threads(threads);
        for (int64_t split : {int64_t{1}, int64_t{5}, kImages})
          ASSERT_EQ(run_both(model, inputs, kImages, split), expected)
              << isa << " threads " << threads << " split " << split;
      }
      EXPECT_EQ(verify(Model(file, kernels(isa))), verify(Model(plain, kernels(isa)))) << isa;
    }
    set_num_threads(before);

    // A function sees the reals of the accumulators, wherever these lie.
    ModelFile ended = made;
    ended.output_recipe = random_output_recipe(made.graph, made.proof, seed);
    ask_for_accumulators(ended.output_recipe, made.graph, made.proof);
    const Model model(std::make_shared<const ModelFile>(ended), kernels(), Model::Keep::running);
    std::vector<std::vector<float>> xs, ys;
    std::vector<const float*> from;
    std::vector<float*> to;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const QParams& q = ended.graph.inputs[i].q;
      xs.emplace_back();
      for (uint8_t code : inputs[i]) xs[i].push_back(static_cast<float>(code - q.zero_point) * q.scale);
    }
    for (const auto& x : xs) from.push_back(x.data());
    for (size_t i = 0; i < ended.graph.outputs.size(); ++i)
      ys.emplace_back(static_cast<size_t>(kImages * model.real_count(i)), -5.0f);
    for (auto& y : ys) to.push_back(y.data());
    model.run(from, kImages, to);
    for (size_t i = 0; i < ys.size(); ++i) {
      const Shape& shape = ended.output(i).shape;
      const OutputFunction f = ended.output_function(i);
      std::vector<float> behind(ys[i].size(), -7.0f);
      apply(f, shape, dense_reals(expected.second[i].data(), shape), 0, kImages * lines_of(f, shape),
            behind.data());
      EXPECT_EQ(ys[i], behind) << "output " << i << " " << name_of(f.kind);
      functions += f.accumulators && f.kind != OutputFunction::Kind::none;
    }
  }
  EXPECT_GT(asked, 10);
  EXPECT_GT(functions, 5);
}

TEST(RuntimeAccumulators, RealsLieWithinHalfACodeOfTheCodes) {
  // The file's multiplier and shift are those of its scales here: as every frozen file has them.
  const Model model(std::make_shared<const ModelFile>(two_rows()), kernels());
  for (int a = 0; a < 256; a += 5)
    for (int b = 0; b < 256; b += 3) {
      const auto [codes, reals] = run_both(model, {{static_cast<uint8_t>(a), static_cast<uint8_t>(b)}}, 1, 1);
      for (size_t c = 0; c < 2; ++c) {
        const float real = static_cast<float>(codes[0][c] - 100) * 4.0f;
        if (codes[0][c] == 0)
          EXPECT_LE(reals[0][c], real + 2.0f);
        else if (codes[0][c] == 255)
          EXPECT_GE(reals[0][c], real - 2.0f);
        else
          EXPECT_LE(std::abs(reals[0][c] - real), 2.0f);
      }
    }
}

TEST(RuntimeAccumulators, WhatHasNone) {
  const auto words = [](ModelFile file) {
    file.proof = validate(file.graph);
    return testing::refusal([&] { check_output_recipe(file.output_recipe, file.graph, file.proof); });
  };
  ModelFile narrowed = two_rows();
  std::get<QLinear>(narrowed.graph.nodes[0].op).lo = 100;
  EXPECT_EQ(words(narrowed),
            "output_recipe[0].accumulators: 'fc' is narrowed to 100..255, expected all codes, 0..255");
  ModelFile read = two_rows();
  read.graph.nodes.push_back({"relu", Clamp{100, 255}, {1}, {}});
  read.graph.outputs = {1, 2};
  read.output_recipe = {{.accumulators = true}, {}};
  EXPECT_EQ(
      words(read),
      "output_recipe[0].accumulators: 'fc' is read by 'relu', expected an output that no operator reads");
  read.output_recipe = {{}, {.accumulators = true}};
  EXPECT_EQ(words(read),
            "output_recipe[1].accumulators: the output is that of clamp, expected a qconv2d or a qlinear");
  ModelFile large = two_rows();
  large.graph.inputs[0].q.scale = 0x1p60f;
  std::get<QLinear>(large.graph.nodes[0].op).weights.weight_scale = make_tensor<float>({0x1p37f, 1.0f}, {2});
  EXPECT_NE(words(large).find("'fc' has a unit of "), std::string::npos);
}

}  // namespace
}  // namespace icepoint
