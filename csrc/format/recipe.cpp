// The input recipe: JSON, and the rules between it, the picture and the graph.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.h"
#include "format/json.h"
#include "format/layout.h"
#include "format/recipes.h"
#include "graph/text.h"

namespace icepoint {

namespace {

using Fit = Resize::Fit;
using Filter = Resize::Filter;

template <class Enum>
struct Name {
  Enum value;
  const char* text;
};
constexpr std::array kFits{Name<Fit>{Fit::letterbox, "letterbox"}, Name<Fit>{Fit::crop, "crop"},
                           Name<Fit>{Fit::stretch, "stretch"}};
constexpr std::array kFilters{Name<Filter>{Filter::opencv_linear, "opencv_linear"},
                              Name<Filter>{Filter::bilinear, "bilinear"},
                              Name<Filter>{Filter::bicubic, "bicubic"}};

template <class Names, class Enum>
const char* name_in(const Names& names, Enum value) {
  const auto at = std::find_if(names.begin(), names.end(), [&](auto n) { return n.value == value; });
  require(at != names.end(), "recipe.resize: ", static_cast<int>(value), " is no fit or filter");
  return at->text;
}

template <class Names>
auto value_in(const Names& names, const std::string& text, const std::string& path) {
  const auto at = std::find_if(names.begin(), names.end(), [&](auto n) { return n.text == text; });
  if (at == names.end())
    fail(path, ": ", in_quotes(text), " is not ", names[0].text, ", ", names[1].text, " or ", names[2].text);
  return at->value;
}

void check_recipe(const Recipe& r, const Graph& graph, const Proof& proof) {
  if (r.channels == 0) {
    const bool empty = r.mean.empty() && r.std.empty() && r.classes.empty() && r.resize.fit == Fit::none;
    require(empty, "recipe.channels: 0, but the recipe has a mean, std, classes or resize");
    return;
  }
  require(r.channels == 1 || r.channels == 3, "recipe.channels: ", r.channels, " is not 1 or 3");
  require(r.divide == 1 || r.divide == 255, "recipe.divide: ", r.divide, " is not 1 or 255");
  const Shape image{r.channels, r.height, r.width}, &input = graph.inputs[0].shape;
  require(image == input, "recipe: its image ", to_string(image), " is not the first input, ",
          to_string(input));
  check_resize(r.resize, r.height, r.width, "recipe.resize");
  const auto channels = static_cast<size_t>(r.channels);
  require(r.mean.size() == channels, "recipe.mean: ", r.mean.size(), " numbers, expected ", channels);
  require(r.std.size() == channels, "recipe.std: ", r.std.size(), " numbers, expected ", channels);
  for (float m : r.mean) require(std::isfinite(m), "recipe.mean: ", m, " is not finite");
  for (float s : r.std) require(std::isfinite(s) && s > 0, "recipe.std: ", s, " is not finite and above 0");
  if (r.classes.empty()) return;
  const Shape& y = proof.values[static_cast<size_t>(graph.outputs[0])].shape;
  const auto outputs = static_cast<size_t>(y.size() == 2 ? y[1] : y[0]);
  require(r.classes.size() == outputs && outputs <= kMaxClasses, "recipe.classes: ", r.classes.size(),
          " names for ", outputs, " channels of the first output, at most ", kMaxClasses);
  for (const std::string& name : r.classes) check_text(name, kMaxNameBytes, "recipe.classes");
}

Resize parse_resize(const Json& json) {
  const std::string path = "recipe.resize";
  const auto member = [&](const char* key) -> const Json& { return require_member(json, key, path); };
  Resize r;
  r.fit = value_in(kFits, to_text(member("fit"), path + ".fit"), path + ".fit");
  r.filter = value_in(kFilters, to_text(member("filter"), path + ".filter"), path + ".filter");
  if (r.fit == Fit::letterbox) {
    require_known(json, {"fill", "filter", "fit"}, path);
    r.fill = to_int(member("fill"), path + ".fill");
  } else if (r.fit == Fit::crop) {
    require_known(json, {"filter", "fit", "shorter_side"}, path);
    r.shorter_side = to_int(member("shorter_side"), path + ".shorter_side");
  } else {
    require_known(json, {"filter", "fit"}, path);
  }
  return r;
}

}  // namespace

std::string resize_json(const Resize& r) {
  if (r.fit == Fit::none) return "{}";
  std::map<std::string, std::string> members{{"filter", emit_text(name_in(kFilters, r.filter))},
                                             {"fit", emit_text(name_in(kFits, r.fit))}};
  if (r.fit == Fit::letterbox) members["fill"] = std::to_string(r.fill);
  if (r.fit == Fit::crop) members["shorter_side"] = std::to_string(r.shorter_side);
  return emit_object(members);
}

Recipe parse_recipe(const std::string& json) {
  const Json root = parse_json(json, "recipe");
  Recipe r;
  if (root.items.empty()) return r;
  require_known(root, {"channels", "classes", "divide", "height", "mean", "resize", "std", "width"},
                "recipe");
  const auto number = [&](const char* key) {
    return to_int(require_member(root, key, "recipe"), std::string("recipe.") + key);
  };
  const auto list = [&](const char* key, size_t most) -> const std::vector<Json>& {
    const std::string path = std::string("recipe.") + key;
    const auto& items = require_kind(require_member(root, key, "recipe"), Json::Kind::array, path).items;
    require_range(items.size(), 1, static_cast<long long>(most), path + ": their number");
    return items;
  };
  r.channels = number("channels");
  require_range(r.channels, 1, 3, "recipe.channels");  // 0 would be a recipe with facts and no image
  r.height = number("height");
  r.width = number("width");
  r.divide = number("divide");
  for (const Json& item : list("mean", 3)) r.mean.push_back(to_float(item, "recipe.mean"));
  for (const Json& item : list("std", 3)) r.std.push_back(to_float(item, "recipe.std"));
  if (root.find("classes"))
    for (const Json& item : list("classes", kMaxClasses))
      r.classes.push_back(to_text(item, "recipe.classes"));
  if (const Json* resize = root.find("resize")) r.resize = parse_resize(*resize);
  return r;
}

std::string emit_recipe(const Recipe& r, const Graph& graph, const Proof& proof) {
  check_recipe(r, graph, proof);
  if (r.channels == 0) return "{}";
  const auto floats = [](const std::vector<float>& values) {
    std::vector<std::string> items;
    for (float v : values) items.push_back(emit_float(v));
    return emit_list(items);
  };
  std::map<std::string, std::string> members{{"channels", std::to_string(r.channels)},
                                             {"divide", std::to_string(r.divide)},
                                             {"height", std::to_string(r.height)},
                                             {"width", std::to_string(r.width)},
                                             {"mean", floats(r.mean)},
                                             {"std", floats(r.std)}};
  std::vector<std::string> classes;
  for (const std::string& name : r.classes) classes.push_back(emit_text(name));
  if (!classes.empty()) members["classes"] = emit_list(classes);
  if (r.resize.fit != Fit::none) members["resize"] = resize_json(r.resize);
  return emit_object(members);
}

}  // namespace icepoint
