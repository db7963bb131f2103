// Codes to people: names and order of answers, their table, maps of classes and the colours of these.
#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <tuple>

#include "graph_fixtures.h"
#include "image/class_colours.h"
#include "runtime/answers.h"
#include "runtime/class_map.h"
#include "runtime/picture_input.h"

namespace icepoint {
namespace {

using Kind = OutputFunction::Kind;

/// A file whose only output has this shape, scale 1 and zero_point 0; nothing of it can run.
ModelFile file_with_output(Shape shape, OutputFunction f = {}) {
  ModelFile file;
  file.graph.outputs = {0};
  file.proof.values = {ValueInfo{std::move(shape), {1.0f, 0, 8}}};
  if (f.kind != Kind::none) file.output_recipe = {f};
  return file;
}

std::string table(const ModelFile& file, std::vector<float> reals, int64_t top,
                  const std::vector<std::string>& latency = {}) {
  std::ostringstream text;
  print_answers(text, file, std::vector<std::string>{"a.jpg", "long.png"}, reals, top, latency);
  return text.str();
}

TEST(RuntimePictures, TheTableOfAnswers) {
  ModelFile file = file_with_output({3});
  // softmax of 2, 2, 0 is 0.4683, 0.4683, 0.0634; of 0, 0, 9 it is 0.0001, 0.0001, 0.9998.
  const std::vector<float> reals{2, 2, 0, 0, 0, 9};
  EXPECT_EQ(table(file, reals, 1),
            "input     class  probability\n"
            "a.jpg     0          46.83 %\n"
            "long.png  2          99.98 %\n");
  file.recipe.classes = {"rose", "tulip\x1b[31m"};
  EXPECT_EQ(table(file, reals, 2, {"1.0 us", "2.0 us"}),
            "input     class          probability  latency\n"
            "a.jpg     rose               46.83 %   1.0 us\n"
            "          tulip\\x1b[31m      46.83 %\n"
            "long.png  2                  99.98 %   2.0 us\n"
            "          rose                0.01 %\n");
  EXPECT_EQ(table(file_with_output({3}, {Kind::argmax, 0, false}), reals, 2),
            "input     class  probability\n"
            "a.jpg     0\n"
            "long.png  2\n");
}

TEST(RuntimePictures, AMapIsTheFirstLargestOfEachPixel) {
  const ModelFile file = file_with_output({3, 1, 4});
  const Image map = class_map(file, std::vector<float>{5, 0, 9, 0,  //
                                                       5, 1, 8, 0,  //
                                                       4, 1, 9, 255}
                                        .data());
  EXPECT_EQ(map, (Image{1, 4, 1, {0, 1, 0, 2}}));
}

TEST(RuntimePictures, WhatIsNoMap) {
  const auto words = [](ModelFile file) {
    return testing::refusal([&] { require_class_map(file, "--map"); });
  };
  for (const Kind kind : {Kind::none, Kind::softmax, Kind::log_softmax, Kind::argmax})
    EXPECT_NO_THROW(require_class_map(file_with_output({2, 4, 5}, {kind, 0, false}), "--map"));
  EXPECT_NE(words(file_with_output({10})).find("--map: the model's output is (10), expected"),
            std::string::npos);
  EXPECT_NE(words(file_with_output({1, 4, 5})).find("has 1 classes"), std::string::npos);
  EXPECT_NE(words(file_with_output({257, 4, 5})).find("has 257 classes"), std::string::npos);
  EXPECT_NE(words(file_with_output({3, 4, 5}, {Kind::sigmoid, 0, false})).find("ends in sigmoid,"),
            std::string::npos);
  EXPECT_NE(words(file_with_output({3, 4, 5}, {Kind::argmax, 1, false})).find("ends in argmax over axis 1"),
            std::string::npos);
}

TEST(RuntimePictures, AModelWithoutRecipeTakesNoPictures) {
  EXPECT_NE(testing::refusal([] { PictureInput{ModelFile{}}; }).find("has no input recipe"),
            std::string::npos);
}

TEST(RuntimePictures, EveryClassHasItsOwnColour) {
  constexpr auto c = class_colours();
  std::set<std::tuple<int, int, int>> seen;
  for (size_t i = 0; i < 256; ++i) seen.insert({c[3 * i], c[3 * i + 1], c[3 * i + 2]});
  EXPECT_EQ(seen.size(), 256u);
  // PASCAL VOC: background, aeroplane, bicycle, person, tvmonitor.
  const auto colour = [&](size_t i) {
    return std::tuple<int, int, int>(c[3 * i], c[3 * i + 1], c[3 * i + 2]);
  };
  EXPECT_EQ(colour(0), std::tuple(0, 0, 0));
  EXPECT_EQ(colour(1), std::tuple(128, 0, 0));
  EXPECT_EQ(colour(2), std::tuple(0, 128, 0));
  EXPECT_EQ(colour(15), std::tuple(192, 128, 128));
  EXPECT_EQ(colour(20), std::tuple(0, 64, 128));
}

}  // namespace
}  // namespace icepoint
