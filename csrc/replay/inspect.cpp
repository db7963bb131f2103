// `icepoint inspect`: what a frozen file holds, in tables.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "replay/commands.h"
#include "replay/session.h"
#include "replay/text.h"
#include "runtime/describe.h"
#include "runtime/table.h"

namespace icepoint {
namespace {

using Json = nlohmann::ordered_json;

std::string count(const Json& number) {
  return decimal(number.get<double>(), 0);
}

std::string shape_text(const Json& shape) {
  return to_string(shape.get<Shape>());
}

std::string scale_text(const Json& scale) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", scale.get<double>());
  return text;
}

/// "conv1", or the input's name: what value `v` is called.
std::string value_name(const Json& model, size_t v) {
  const size_t inputs = model["inputs"].size();
  return (v < inputs ? model["inputs"][v] : model["ops"][v - inputs])["name"].get<std::string>();
}

/// Up to ten texts of a list, and how many there are: a stranger's layer may read 100,000 values, and a table
/// is as wide as its widest cell.
template <class Text>
std::string list_text(size_t size, const Text& text) {
  constexpr size_t kShown = 10;
  std::string list;
  for (size_t i = 0; i < std::min(size, kShown); ++i) list += (i ? ", " : "") + text(i);
  return size > kShown ? list + ", ... (" + std::to_string(size) + ")" : list;
}

/// ", softmax over axis 0": the output's function, of axes without the batch; "" where it has none.
std::string function_text(const Json& output) {
  if (!output.contains("function")) return "";
  const Json& f = output["function"];
  const std::string axis = f.contains("axis") ? " over axis " + count(f["axis"]) : "";
  return ", " + f["function"].get<std::string>() + axis;
}

/// "letterbox, filter opencv_linear, fill 114".
std::string resize_text(const Json& resize) {
  std::string text = resize["fit"].get<std::string>() + ", filter " + resize["filter"].get<std::string>();
  if (resize.contains("fill")) text += ", fill " + count(resize["fill"]);
  if (resize.contains("shorter_side")) text += ", shorter side " + count(resize["shorter_side"]);
  return text;
}

void print_layers(const Json& model) {
  Table table({"layer", "op", "reads", "output", ">scale", ">zero", ">bits", ">weight bits", ">MACs",
               ">params", ">bytes", ">headroom"});
  const auto add = [&](const Json& value, const std::string& op, const std::string& reads, const Json& node) {
    const auto text = [&](const char* key) { return node.contains(key) ? count(node[key]) : ""; };
    const bool weights = node.contains("fields") && node["fields"].contains("weight_bits");
    table.add({value["name"].get<std::string>(), op, reads, shape_text(value["shape"]),
               scale_text(value["scale"]), count(value["zero_point"]), count(value["bits"]),
               weights ? count(node["fields"]["weight_bits"]) : "", text("macs"), text("params"),
               text("weight_bytes"),
               node.contains("overflow") ? count(node["overflow"]["headroom_bits"]) + " bits" : ""});
  };
  for (const Json& input : model["inputs"]) add(input, "input", "", Json::object());
  for (const Json& op : model["ops"]) {
    const Json& inputs = op["inputs"];
    const auto reads = [&](size_t i) { return value_name(model, inputs[i].get<size_t>()); };
    add(op, op["op"].get<std::string>(), list_text(inputs.size(), reads), op);
  }
  table.print(std::cout);
}

std::string list_text(const Json& list) {
  return list_text(list.size(), [&](size_t i) {
    return list[i].is_string() ? list[i].get<std::string>() : scale_text(list[i]);
  });
}

void print_facts(const Json& model, const Common& common) {
  const Json &totals = model["totals"], &recipe = model["recipe"], &check = model["self_check"];
  const auto size = [](const Json& bytes) { return bytes_text(bytes.get<int64_t>()); };
  Table facts({"", ""});
  facts.add({"file", common.model + ", " + size(model["file_bytes"]) + ", version " +
                         model["version"].get<std::string>() + ", arithmetic " + count(model["arithmetic"])});
  facts.add({"digest", model["digest"].get<std::string>()});
  const Json& outputs = model["outputs"];
  facts.add({"outputs", list_text(outputs.size(), [&](size_t i) {
               return outputs[i]["name"].get<std::string>() + " " + shape_text(outputs[i]["shape"]) +
                      function_text(outputs[i]);
             })});
  facts.add({"work", count(totals["macs"]) + " MACs an image, " + count(totals["params"]) + " parameters"});
  facts.add({"memory", "tensors " + size(totals["weight_bytes"]) + " in the file, " +
                           size(totals["packed_bytes"]) + " packed for " + model["isa"].get<std::string>() +
                           "; activations at most " + size(totals["arena_bytes"]) + " an image"});
  const Json& headroom = model["overflow"]["headroom_bits"];
  facts.add({"overflow", headroom.is_null() ? "nothing accumulates"
                                            : "proved impossible for every input; the tightest of " +
                                                  count(model["overflow"]["layers"]) + " layers has " +
                                                  count(headroom) + " bits to spare"});
  facts.add({"self-check", count(check["images"]) + " images through " + count(check["layers"]) +
                               " layers (icepoint verify replays it)"});
  if (recipe.empty()) {
    facts.add({"recipe", "none: the model takes float32 arrays, no pictures"});
  } else {
    facts.add({"recipe", count(recipe["width"]) + " x " + count(recipe["height"]) + " pixels, " +
                             (recipe["channels"] == 1 ? "grey" : count(recipe["channels"]) + " channels") +
                             "; (pixel / " + count(recipe["divide"]) + " - mean) / std, mean " +
                             list_text(recipe["mean"]) + ", std " + list_text(recipe["std"])});
    if (recipe.contains("resize")) facts.add({"pictures", "of any size: " + resize_text(recipe["resize"])});
    if (!recipe["classes"].empty()) facts.add({"classes", list_text(recipe["classes"])});
  }
  for (const auto& [key, text] : model["made_by"].items())
    facts.add({"made by " + key, text.get<std::string>()});
  facts.print(std::cout);
}

void run(const Common& common) {
  const Session session(common, Model::Keep::file);
  const Json model = Json::parse(describe_json(session.model()));
  if (common.json) return print_json(model);
  print_facts(model, common);
  std::cout << '\n';
  print_layers(model);
}

}  // namespace

void add_inspect(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("inspect", "Layers, shapes, bits, sizes, work, memory, recipe and origin");
  const auto common = std::make_shared<Common>();
  common->add_to(*command);
  command->footer("Example:\n  icepoint inspect model.ice --json");
  command->callback([common] { run(*common); });
}

}  // namespace icepoint
