// Output functions in a running model: the same reals for every table, thread count and split of the batch.
#include <gtest/gtest.h>

#include <set>

#include "graph_cases.h"
#include "kernels/select.h"
#include "random_graph.h"
#include "random_outputs.h"
#include "runtime/describe.h"
#include "runtime/model.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

using Reals = std::vector<std::vector<float>>;

/// The reals of `inputs`, codes put back into floats, handed over `split` at a time.
Reals run_reals(const Model& model, const Codes& inputs, int64_t n, int64_t split) {
  const Graph& graph = model.file().graph;
  Reals outputs(graph.outputs.size());
  for (int64_t first = 0; first < n; first += split) {
    const int64_t now = std::min(split, n - first);
    Reals x, part;
    std::vector<const float*> from;
    std::vector<float*> to;
    const Codes codes = images(graph, inputs, first, now);
    for (size_t i = 0; i < codes.size(); ++i) {
      const QParams& q = graph.inputs[i].q;
      x.emplace_back();
      for (uint8_t code : codes[i]) x[i].push_back(static_cast<float>(code - q.zero_point) * q.scale);
    }
    for (const auto& one : x) from.push_back(one.data());
    for (size_t i = 0; i < outputs.size(); ++i)
      part.emplace_back(static_cast<size_t>(now * model.real_count(i)), -5.0f);
    for (auto& one : part) to.push_back(one.data());
    model.run(from, now, to);
    for (size_t i = 0; i < outputs.size(); ++i)
      outputs[i].insert(outputs[i].end(), part[i].begin(), part[i].end());
  }
  return outputs;
}

TEST(RuntimeOutputFunction, EveryWayOfRunningGivesTheRealsOfTheCodes) {
  constexpr int64_t kImages = 17;  // 4 threads take whole images from 16 on
  const int before = num_threads();
  std::set<OutputFunction::Kind> seen;
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ModelFile made = file_of(RandomGraph(seed, 8, seed % 10 == 9 ? 4 : 1).graph(), seed);
    made.output_recipe = random_output_recipe(made.graph, made.proof, seed);
    const auto file = std::make_shared<const ModelFile>(std::move(made));
    const Codes inputs = random_codes(file->graph, kImages, seed);
    const Codes codes = run_codes(Model(file, kernels("reference")), inputs, kImages, kImages);
    Reals expected;
    for (size_t i = 0; i < codes.size(); ++i) {
      const ValueInfo& y = file->proof.values[file->graph.outputs[i]];
      const OutputFunction f = file->output_function(i);
      seen.insert(f.kind);
      auto& reals = expected.emplace_back(static_cast<size_t>(kImages * reals_of(f, y.shape)));
      apply(f, y.shape, dense_codes(codes[i].data(), y.q, y.shape), 0, kImages * lines_of(f, y.shape),
            reals.data());
    }
    for (const std::string& isa : isas()) {
      const Model model(file, kernels(isa), Model::Keep::running);
      for (size_t i = 0; i < codes.size(); ++i) EXPECT_EQ(model.real_count(i), *numel(model.real_shape(i)));
      for (int threads : {1, 2, 4}) {
        set_num_threads(threads);
        for (int64_t split : {int64_t{1}, int64_t{5}, kImages})
          ASSERT_EQ(run_reals(model, inputs, kImages, split), expected)
              << isa << " threads " << threads << " split " << split;
      }
    }
  }
  set_num_threads(before);
  EXPECT_EQ(seen.size(), 5u);
}

TEST(RuntimeOutputFunction, CodesAndTheSelfCheckAreThoseWithoutIt) {
  ModelFile plain = file_of(RandomGraph(4, 8).graph(), 4);
  ModelFile with = plain;
  with.output_recipe.assign(plain.graph.outputs.size(), {OutputFunction::Kind::argmax, 0});
  fill_self_check(plain);
  fill_self_check(with);
  EXPECT_EQ(with.self_check.outputs, plain.self_check.outputs);
  EXPECT_EQ(with.self_check.values, plain.self_check.values);
  const Codes inputs = random_codes(plain.graph, 3, 4);
  const Model model(std::make_shared<const ModelFile>(with), kernels());
  EXPECT_EQ(run_codes(model, inputs, 3, 3),
            run_codes(Model(std::make_shared<const ModelFile>(plain), kernels()), inputs, 3, 3));
  EXPECT_EQ(verify(model), "");
  EXPECT_NE(describe_json(model).find("\"function\": \"argmax\""), std::string::npos);
}

TEST(RuntimeOutputFunction, ARecipeThatDoesNotFitIsRefused) {
  ModelFile file = file_of(RandomGraph(4, 8).graph(), 4);
  file.output_recipe.assign(file.graph.outputs.size() + 1, {});
  const auto build = [&] { Model(std::make_shared<const ModelFile>(file), kernels()); };
  EXPECT_THROW(build(), std::invalid_argument);
  file.output_recipe.assign(file.graph.outputs.size(), {OutputFunction::Kind::softmax, 3});
  EXPECT_THROW(build(), std::invalid_argument);
}

}  // namespace
}  // namespace icepoint
