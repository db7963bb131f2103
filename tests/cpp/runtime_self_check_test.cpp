// The self-check passes where nothing changed, and names the first layer that differs where it did.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "format/digest.h"
#include "format/reader.h"
#include "format/writer.h"
#include "graph_cases.h"
#include "random_graph.h"
#include "runtime/describe.h"

namespace icepoint {
namespace {

/// `file` written, read back and prepared for `isa`.
Model reloaded(const ModelFile& file, const std::string& isa) {
  const std::vector<uint8_t> bytes = write_model(file);
  const std::shared_ptr<uint8_t> copy(
      static_cast<uint8_t*>(::operator new (bytes.size(), std::align_val_t{64})),
      [](uint8_t* p) { ::operator delete (p, std::align_val_t{64}); });
  std::copy(bytes.begin(), bytes.end(), copy.get());
  return Model(std::make_shared<const ModelFile>(read_model(copy, bytes.size())), kernels(isa));
}

Tensor ones(int64_t count, int32_t value) {
  return make_tensor(std::vector<int32_t>(count, value), {count});
}

QConv2d conv(int64_t ic, int64_t oc) {
  QConv2d op;
  op.kernel_size = {3, 3};
  op.padding = {1, 1, 1, 1};
  op.out_channels = oc;
  std::vector<int8_t> codes(oc * ic * 9);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int8_t>(i * 37 % 255 - 127);
  op.weights.weight = make_tensor(codes, {oc, ic, 3, 3});
  op.weights.weight_scale = make_tensor(std::vector<float>{0.01f}, {1});
  op.weights.multiplier = ones(1, 1 << 30);
  op.weights.shift = ones(1, 38);
  return op;
}

/// conv -> relu -> conv -> relu, filled.
ModelFile two_convolutions() {
  Graph graph;
  graph.inputs = {{"x", {2, 6, 6}, {0.5f, 100, 8}}};
  const QParams y{0.25f, 50, 8};
  graph.nodes = {{"first", conv(2, 4), {0}, y},
                 {"first_relu", Clamp{50, 255}, {1}, {}},
                 {"second", conv(4, 3), {2}, y},
                 {"second_relu", Clamp{50, 255}, {3}, {}}};
  graph.outputs = {4};
  ModelFile file = file_of(graph, 5, 3);
  fill_self_check(file);
  return file;
}

TEST(RuntimeSelfCheck, PassesOnEveryTableAfterATripThroughTheFile) {
  for (int seed = 0; seed < 40; ++seed) {
    ModelFile file = file_of(RandomGraph(seed, 10).graph(), seed, 1 + seed % 16);
    fill_self_check(file);
    for (const std::string& isa : isas())
      EXPECT_EQ(verify(reloaded(file, isa)), "") << "seed " << seed << " " << isa;
  }
}

TEST(RuntimeSelfCheck, HoldsTheDigestsOfTheCodesOfEachNodeAlone) {
  const ModelFile file = two_convolutions();
  Codes inputs;
  for (const Tensor& t : file.self_check.inputs)
    inputs.emplace_back(t.as<uint8_t>().begin(), t.as<uint8_t>().end());
  const Codes values = evaluate(file.graph, inputs, 3);
  ASSERT_EQ(file.self_check.values.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(file.self_check.values[i], sha256(values[i + 1]));
  EXPECT_EQ(file.self_check.outputs, sha256(values[4]));
}

TEST(RuntimeSelfCheck, NamesTheFirstLayerWhoseWeightsChanged) {
  for (int64_t changed : {0, 2}) {
    ModelFile file = two_convolutions();
    QConv2d& op = std::get<QConv2d>(file.graph.nodes[changed].op);
    std::vector<int8_t> codes(op.weights.weight.as<int8_t>().begin(), op.weights.weight.as<int8_t>().end());
    codes[4] = static_cast<int8_t>(codes[4] > 0 ? -127 : 127);
    op.weights.weight = make_tensor(codes, op.weights.weight.shape);
    // The digest is consistent: write_model computes it. Only the self-check can tell.
    for (const std::string& isa : isas())
      EXPECT_EQ(verify(reloaded(file, isa)),
                "layer " + std::to_string(changed) + " '" + file.graph.nodes[changed].name +
                    "' (qconv2d) is the first that does not give the codes of the "
                    "frozen file on the " +
                    isa + " kernels");
  }
}

TEST(RuntimeSelfCheck, SaysWhereOnlyTheWholeModelDiffers) {
  ModelFile file = two_convolutions();
  file.self_check.outputs = std::string(64, '0');
  EXPECT_EQ(verify(reloaded(file, "reference")),
            "every layer alone gives the codes of the frozen file, the whole model does not on the reference "
            "kernels");
}

TEST(RuntimeSelfCheck, WrongInputsAreRefused) {
  ModelFile file = two_convolutions();
  const std::vector<Tensor> good = file.self_check.inputs;
  for (const std::vector<Tensor>& inputs :
       std::vector<std::vector<Tensor>>{{},
                                        {good[0], good[0]},
                                        {make_tensor(std::vector<uint8_t>(71), {71})},
                                        {make_tensor(std::vector<uint8_t>{}, {0, 2, 6, 6})},
                                        {make_tensor(std::vector<int8_t>(72), {1, 2, 6, 6})},
                                        {make_tensor(std::vector<uint8_t>(72 * 17), {17, 2, 6, 6})}}) {
    file.self_check.inputs = inputs;
    EXPECT_THROW(fill_self_check(file), std::invalid_argument);
    const Model model(std::make_shared<const ModelFile>(file), kernels());
    EXPECT_TRUE(verify(model).starts_with("self_check")) << verify(model);
  }
  file.self_check.inputs = good;
  EXPECT_NO_THROW(fill_self_check(file));
}

TEST(RuntimeSelfCheck, ImagesThatTakeMoreThanOneMayAreRefused) {
  Graph graph;
  graph.inputs = {{"x", {1, 1, 1}, {0.5f, 0, 8}}};
  graph.nodes = {{"up", UpsampleNearest{{16384, 8192}}, {0}, {}}};  // 128 MiB an image
  graph.outputs = {1};
  ModelFile file = file_of(graph, 0, 16);
  EXPECT_THROW(fill_self_check(file), std::invalid_argument);  // before any of it is allocated
}

TEST(RuntimeDescribe, CountsTheTwoConvolutions) {
  const Model model = reloaded(two_convolutions(), "portable");
  const nlohmann::json json = nlohmann::json::parse(describe_json(model));
  EXPECT_EQ(json["digest"], model.file().digest);
  EXPECT_EQ(json["file_bytes"], model.file().file_bytes);
  EXPECT_EQ(json["isa"], "portable");
  EXPECT_EQ(json["inputs"][0]["shape"], (Shape{2, 6, 6}));
  EXPECT_EQ(json["outputs"][0]["name"], "second_relu");
  EXPECT_EQ(json["outputs"][0]["value"], 4);
  ASSERT_EQ(json["ops"].size(), 4u);
  const auto& first = json["ops"][0];
  EXPECT_EQ(first["op"], "qconv2d");
  EXPECT_EQ(first["inputs"], (std::vector<int>{0}));
  EXPECT_EQ(first["macs"], 4 * 2 * 9 * 36);
  EXPECT_EQ(first["params"], 4 * 2 * 9);
  EXPECT_EQ(first["weight_bytes"], 4 * 2 * 9 + 4 + 4 + 4);  // codes, scale, multiplier, shift
  EXPECT_EQ(first["fields"]["padding"], (std::vector<int>{1, 1, 1, 1}));
  EXPECT_EQ(first["fields"]["weight"]["dtype"], "I8");
  EXPECT_EQ(first["scale"].get<double>(), 0.25);
  EXPECT_EQ(json["totals"]["macs"], 4 * 2 * 9 * 36 + 3 * 4 * 9 * 36);
  // 8 x 8 pixels of 4 channels, halo included, beside the input (8 x 8 x 2) or the output (6 x 6 x 3).
  EXPECT_EQ(json["totals"]["arena_bytes"], 256 + 128);
  EXPECT_EQ(json["totals"]["packed_bytes"], model.weight_bytes());
  EXPECT_EQ(json["self_check"]["images"], 3);
  // The worst accumulator, by hand: |w| sums over each channel times the reach of the input.
  const auto& proof = model.file().proof.overflow[0];
  const int headroom = first["overflow"]["headroom_bits"];
  const int64_t reach = std::max(proof.bounds.hi, -1 - proof.bounds.lo);
  EXPECT_LE(reach << headroom, INT32_MAX);
  EXPECT_GT(reach << (headroom + 1), INT32_MAX);
  EXPECT_EQ(json["overflow"]["layers"], 2);
  EXPECT_LE(json["overflow"]["headroom_bits"], headroom);
  EXPECT_FALSE(json["ops"][1].contains("overflow"));
}

TEST(RuntimeDescribe, HeadroomCountsTheOneMoreOfTheNegativeSide) {
  Graph graph;
  graph.inputs = {{"x", {1}, {0.5f, 128, 8}}};  // x - 128 lies in -128..127: 8 bits of 32
  QLinear op;
  op.out_features = 1;
  op.weights = conv(1, 1).weights;
  op.weights.weight = make_tensor(std::vector<int8_t>{1}, {1, 1});
  graph.nodes = {{"fc", op, {0}, QParams{1, 0, 8}}};
  graph.outputs = {1};
  const Model model(std::make_shared<const ModelFile>(file_of(graph, 0)), kernels());
  const nlohmann::json json = nlohmann::json::parse(describe_json(model));
  EXPECT_EQ(json["ops"][0]["overflow"], (nlohmann::json{{"lo", -128}, {"hi", 127}, {"headroom_bits", 24}}));
}

TEST(RuntimeDescribe, EveryOperatorAndField) {
  for (int seed = 0; seed < 40; ++seed) {
    const auto file = std::make_shared<const ModelFile>(file_of(RandomGraph(seed, 12).graph(), seed));
    const nlohmann::json json = nlohmann::json::parse(describe_json(Model(file, kernels())));
    for (size_t i = 0; i < file->graph.nodes.size(); ++i) {
      EXPECT_EQ(json["ops"][i]["op"], op_name(file->graph.nodes[i].op));
      EXPECT_EQ(json["ops"][i]["shape"], file->proof.values[file->graph.inputs.size() + i].shape);
      EXPECT_FALSE(json["ops"][i]["fields"].empty());
    }
  }
}

}  // namespace
}  // namespace icepoint
