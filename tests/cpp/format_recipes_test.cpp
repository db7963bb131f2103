// Both recipes in a file: there and back, in one spelling, and every hostile value refused by its place.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "format/recipes.h"
#include "format_fixtures.h"
#include "random_outputs.h"

namespace icepoint::testing {
namespace {

using Kind = OutputFunction::Kind;
using Fit = Resize::Fit;
using Filter = Resize::Filter;

std::string joined(std::initializer_list<const char*> parts) {
  std::string text;
  for (const char* part : parts) text += part;
  return text;
}

/// Verdict on the small model with one text of its header replaced.
std::string with(const ModelFile& model, std::string_view from, std::string_view to) {
  const Parts parts = split(write_model(model));
  return verdict(join({replaced(parts.header, from, to), parts.payload}));
}

std::string with_resize(const std::string& resize) {
  std::string escaped = ",\\\"resize\\\":";
  for (char c : resize) escaped.append(c == '"' ? "\\" : "").push_back(c);
  return with(small_model(), ",\\\"std\\\":", escaped + ",\\\"std\\\":");
}

std::string with_outputs(const std::string& recipe) {
  std::string escaped = ",\"output_recipe\":\"";
  for (char c : recipe) escaped.append(c == '"' ? "\\" : "").push_back(c);
  return with(small_model(), ",\"overflow_proof\":", escaped + "\",\"overflow_proof\":");
}

TEST(FormatRecipes, ResizeComesBack) {
  const Resize all[] = {{Fit::letterbox, Filter::opencv_linear, 0, 114},
                        {Fit::letterbox, Filter::bicubic, 0, 0},
                        {Fit::crop, Filter::bilinear, 256, 0},
                        {Fit::stretch, Filter::bicubic, 0, 0}};
  for (const Resize& resize : all) {
    ModelFile model = small_model();
    model.recipe.resize = resize;
    const Bytes bytes = write_model(model);
    EXPECT_EQ(read(bytes).recipe.resize, resize);
    EXPECT_EQ(write_model(read(bytes)), bytes);
  }
  EXPECT_EQ(resize_json(all[0]), R"({"fill":114,"filter":"opencv_linear","fit":"letterbox"})");
  EXPECT_EQ(resize_json(all[2]), R"({"filter":"bilinear","fit":"crop","shorter_side":256})");
  EXPECT_EQ(resize_json(all[3]), R"({"filter":"bicubic","fit":"stretch"})");
  EXPECT_EQ(resize_json({}), "{}");
  EXPECT_EQ(with_resize(resize_json(all[2])), "accepted");
}

TEST(FormatRecipes, HostileResizes) {
  EXPECT_EQ(with_resize("3"), "recipe.resize: found an integer, expected an object");
  EXPECT_EQ(with_resize("{}"), "recipe.resize.fit: absent");
  EXPECT_EQ(with_resize(R"({"filter":"bilinear","fit":"none"})"),
            "recipe.resize.fit: 'none' is not letterbox, crop or stretch");
  EXPECT_EQ(with_resize(R"({"fit":"stretch"})"), "recipe.resize.filter: absent");
  EXPECT_EQ(with_resize(R"({"filter":"lanczos","fit":"stretch"})"),
            "recipe.resize.filter: 'lanczos' is not opencv_linear, bilinear or bicubic");
  EXPECT_EQ(with_resize(R"({"filter":3,"fit":"stretch"})"),
            "recipe.resize.filter: found an integer, expected a string");
  EXPECT_EQ(with_resize(R"({"fill":0,"filter":"bilinear","fit":"stretch"})"),
            "recipe.resize: unknown key 'fill'");
  EXPECT_EQ(with_resize(R"({"fill":0,"filter":"bilinear","fit":"crop","shorter_side":8})"),
            "recipe.resize: unknown key 'fill'");
  EXPECT_EQ(with_resize(R"({"fill":0,"filter":"bilinear","fit":"letterbox","shorter_side":8})"),
            "recipe.resize: unknown key 'shorter_side'");
  EXPECT_EQ(with_resize(R"({"filter":"bilinear","fit":"letterbox"})"), "recipe.resize.fill: absent");
  EXPECT_EQ(with_resize(R"({"filter":"bilinear","fit":"crop"})"), "recipe.resize.shorter_side: absent");
  for (const char* fill : {"-1", "256", "9223372036854775807"})
    EXPECT_EQ(with_resize(joined({R"({"fill":)", fill, R"(,"filter":"bilinear","fit":"letterbox"})"})),
              joined({"recipe.resize.fill: ", fill, " is not in 0..255"}));
  EXPECT_EQ(with_resize(R"({"fill":1.0,"filter":"bilinear","fit":"letterbox"})"),
            "recipe.resize.fill: found a number, expected an integer");
  for (const char* side : {"3", "0", "-4", "65536", "9223372036854775807"}) {  // the model takes 4 x 4
    const std::string found =
        with_resize(joined({R"({"filter":"bilinear","fit":"crop","shorter_side":)", side, "}"}));
    EXPECT_EQ(found.substr(0, 28), "recipe.resize.shorter_side: ") << found;
  }
  EXPECT_EQ(with_resize(R"({"fit":"stretch","filter":"bilinear"})"),
            "recipe: is not in the canonical spelling");
  EXPECT_EQ(with_resize(R"({"filter":"bilinear","fit":"stretch","fit":"crop"})"),
            "recipe: the key 'fit' occurs twice");
  // Without an image input there is nothing to resize.
  EXPECT_EQ(refusal([] { parse_recipe(R"({"resize":{"filter":"bilinear","fit":"stretch"}})"); }),
            "recipe.channels: absent");
  ModelFile model = small_model();
  model.recipe = {};
  model.recipe.resize = {Fit::stretch, Filter::bilinear, 0, 0};
  EXPECT_EQ(refusal([&] { write_model(model); }),
            "recipe.channels: 0, but the recipe has a mean, std, classes or resize");
  model = small_model();
  model.recipe.resize.fit = static_cast<Fit>(9);
  EXPECT_EQ(refusal([&] { write_model(model); }), "recipe.resize: 9 is no fit or filter");
}

TEST(FormatRecipes, OutputFunctionsComeBack) {
  const OutputFunction all[] = {{Kind::softmax, 0},
                                {Kind::log_softmax, 0},
                                {Kind::sigmoid},
                                {Kind::argmax, 0},
                                {Kind::argmax, 0, true}};
  const char* texts[] = {R"({"axis":0,"function":"softmax"})", R"({"axis":0,"function":"log_softmax"})",
                         R"({"function":"sigmoid"})", R"({"axis":0,"function":"argmax","keepdim":false})",
                         R"({"axis":0,"function":"argmax","keepdim":true})"};
  for (size_t i = 0; i < std::size(all); ++i) {
    ModelFile model = small_model();
    model.output_recipe = {all[i]};
    const Bytes bytes = write_model(model);
    EXPECT_EQ(read(bytes).output_recipe, model.output_recipe);
    EXPECT_EQ(write_model(read(bytes)), bytes);
    EXPECT_EQ(function_json(all[i]), texts[i]);
    EXPECT_EQ(with_outputs(joined({"[", texts[i], "]"})), "accepted");
  }
  // Functions that are none leave no trace: the file is the one without a recipe.
  ModelFile model = small_model();
  const Bytes plain = write_model(model);
  model.output_recipe = {{}};
  EXPECT_EQ(write_model(model), plain);
  EXPECT_TRUE(read(plain).output_recipe.empty());
  EXPECT_EQ(read(plain).output_function(0), OutputFunction{});
}

TEST(FormatRecipes, HostileOutputFunctions) {
  EXPECT_EQ(with_outputs("{}"), "output_recipe: does not open with '['");
  EXPECT_EQ(with_outputs(""), "output_recipe: does not open with '['");
  EXPECT_EQ(with_outputs("[]"), "output_recipe: no output has a function, expected no such key");
  EXPECT_EQ(with_outputs("[{}]"), "output_recipe: no output has a function, expected no such key");
  EXPECT_EQ(with_outputs("[3]"), "output_recipe[0]: found an integer, expected an object");
  EXPECT_EQ(with_outputs("[[]]"), "output_recipe[0]: found a list, expected an object");
  EXPECT_EQ(with_outputs(R"([{"function":"sigmoid"},{}])"), "output_recipe: 2 functions for 1 outputs");
  EXPECT_EQ(with_outputs(R"([{"axis":0}])"), "output_recipe[0].function: absent");
  EXPECT_EQ(with_outputs(R"([{"function":7}])"),
            "output_recipe[0].function: found an integer, expected a string");
  for (const char* name : {"none", "relu", "", "Softmax", "\\\\u001b[2J"})
    EXPECT_EQ(with_outputs(joined({R"([{"axis":0,"function":")", name, R"("}])"})).substr(0, 27),
              "output_recipe[0].function: ")
        << name;
  EXPECT_EQ(with_outputs(R"([{"function":"softmax"}])"), "output_recipe[0].axis: absent");
  EXPECT_EQ(with_outputs(R"([{"axis":1,"function":"softmax"}])"), "output_recipe[0].axis: 1 is not in 0..0");
  EXPECT_EQ(with_outputs(R"([{"axis":-1,"function":"softmax"}])"),
            "output_recipe[0].axis: -1 is not in 0..0");
  EXPECT_EQ(with_outputs(R"([{"axis":9223372036854775808,"function":"softmax"}])"),
            "output_recipe[0].axis: found a number, expected an integer");
  EXPECT_EQ(with_outputs(R"([{"axis":0,"function":"sigmoid"}])"), "output_recipe[0]: unknown key 'axis'");
  EXPECT_EQ(with_outputs(R"([{"axis":0,"function":"softmax","keepdim":false}])"),
            "output_recipe[0]: unknown key 'keepdim'");
  EXPECT_EQ(with_outputs(R"([{"axis":0,"function":"argmax"}])"), "output_recipe[0].keepdim: absent");
  EXPECT_EQ(with_outputs(R"([{"axis":0,"function":"argmax","keepdim":0}])"),
            "output_recipe[0].keepdim: found an integer, expected true or false");
  EXPECT_EQ(with_outputs(R"([{"axis":0,"function":"argmax","keepdim":null}])"),
            "output_recipe[0].keepdim: found null, expected true or false");
  EXPECT_EQ(with_outputs(R"([{"axis":0,"function":"softmax","temperature":2}])"),
            "output_recipe[0]: unknown key 'temperature'");
  EXPECT_EQ(with_outputs(R"([{"function":"softmax","axis":0}])"),
            "output_recipe: is not in the canonical spelling");
  EXPECT_EQ(with_outputs(R"([{"axis":0,"axis":0,"function":"softmax"}])"),
            "output_recipe: the key 'axis' occurs twice");
  EXPECT_EQ(with_outputs(R"([{"axis":0,"function":"softmax"}]x)").substr(0, 15), "output_recipe: ");
  EXPECT_EQ(with_outputs(std::string(100, '[')).substr(0, 34), "output_recipe: nested deeper than ");
}

// Argmax over more codes than float32 counts: the graph itself is sound.
TEST(FormatRecipes, ArgmaxOfTooManyCodes) {
  Graph g;
  g.inputs = {{"x", {(1 << 24) + 1}, {0.5f, 0, 8}}};
  g.nodes = {{"y", Clamp{.lo = 0, .hi = 255}, {0}, {}}};
  g.outputs = {1};
  const Proof proof = validate(g);
  EXPECT_EQ(refusal([&] {
              check_output_recipe({{Kind::argmax, 0}}, g, proof);
            }),
            "output_recipe[0].axis: argmax over 16777217 codes, at most 16777216 have an index that float32 "
            "holds");
  check_output_recipe({{Kind::softmax, 0}}, g, proof);
}

/// Recipes spoiled value by value: refused in words, or written again as they were read.
TEST(FormatRecipes, SpoiledRecipesAreRefusedOrTheSame) {
  using Json = nlohmann::json;
  const std::vector<Json> values{-1,        0,          1,         3,         255,     256,
                                 1 << 24,   INT64_MAX,  0.5,       true,      nullptr, "",
                                 "softmax", "argmax",   "crop",    "bicubic", false,   "none",
                                 "axis",    "bilinear", "sigmoid", "keepdim", {},      Json::array()};
  ModelFile model = small_model();
  model.graph = every_operator();
  model = model_of(model.graph);
  model.graph.inputs[0].shape = {3, 8, 8};
  const Proof proof = validate(model.graph);
  model.recipe = {3, 8, 8, 1, {1, 2, 3}, {4, 5, 6}, {}, {Fit::crop, Filter::bilinear, 9, 0}};
  int accepted = 0;
  for (uint32_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    model.output_recipe = random_output_recipe(model.graph, proof, seed);
    model.output_recipe[0] = {Kind::argmax, 0, seed % 2 == 1};
    const bool outputs = random() % 2;
    Json json = Json::parse(outputs ? emit_output_recipe(model.output_recipe, model.graph, proof)
                                    : emit_recipe(model.recipe, model.graph, proof));
    Json& object = outputs ? json[random() % json.size()] : json["resize"];
    const auto member = [&] { return std::next(object.begin(), random() % object.size()); };
    const Json& value = values[random() % values.size()];
    if (object.empty() || random() % 4 == 0)
      object[std::vector{"axis", "function", "keepdim", "fill", "fit", "extra"}[random() % 6]] = value;
    else if (random() % 4 == 0)
      object.erase(member());
    else
      member().value() = value;
    try {
      ModelFile spoiled = model;
      if (outputs)
        spoiled.output_recipe = parse_output_recipe(json.dump());
      else
        spoiled.recipe = parse_recipe(json.dump());
      const Bytes bytes = write_model(spoiled);
      ++accepted;
      EXPECT_EQ(write_model(read(bytes)), bytes);
      EXPECT_EQ(outputs ? emit_output_recipe(spoiled.output_recipe, spoiled.graph, proof)
                        : emit_recipe(spoiled.recipe, spoiled.graph, proof),
                json.dump());
    } catch (const std::invalid_argument& refused) {
      EXPECT_NE(std::string(refused.what()).find("recipe"), std::string::npos) << refused.what();
    }
  }
  EXPECT_GT(accepted, 50);
  EXPECT_LT(accepted, 3500);
}

}  // namespace
}  // namespace icepoint::testing
