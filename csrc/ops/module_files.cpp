// icepoint._C, the files: a graph to bytes, bytes to disk and back.
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "format/reader.h"
#include "format/recipes.h"
#include "format/writer.h"
#include "ops/arrays.h"
#include "ops/module.h"
#include "runtime/model.h"

namespace icepoint::ops {
namespace {

using Arrays = std::map<std::string, py::array>;
using Texts = std::map<std::string, std::string>;

std::span<const uint8_t> span_of(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return {reinterpret_cast<const uint8_t*>(view.data()), view.size()};
}

py::bytes encode(const std::string& graph_json, const Arrays& tensors, const std::string& recipe_json,
                 const Texts& made_by, const std::vector<py::array>& self_check_inputs,
                 const std::string& output_recipe_json) {
  std::map<std::string, Tensor> named;
  for (const auto& [name, array] : tensors) named[name] = tensor_from(array, name);
  ModelFile file;
  file.made_by = made_by;
  for (size_t i = 0; i < self_check_inputs.size(); ++i) {
    const std::string who = "self_check_inputs[" + std::to_string(i) + "]";
    file.self_check.inputs.push_back(tensor_from(dense_array<uint8_t>(self_check_inputs[i], who), who));
  }
  std::vector<uint8_t> bytes;
  {
    const py::gil_scoped_release release;
    file.graph = parse_graph(graph_json, named);
    file.recipe = parse_recipe(recipe_json);
    if (!output_recipe_json.empty()) file.output_recipe = parse_output_recipe(output_recipe_json);
    fill_self_check(file);
    bytes = write_model(file);
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void save(const std::filesystem::path& path, const py::bytes& bytes) {
  const auto span = span_of(bytes);
  const py::gil_scoped_release release;
  save_atomically(path.string(), span);
}

py::bytes load(const std::filesystem::path& path) {
  FileBytes file;
  {
    const py::gil_scoped_release release;
    file = load_bytes(path.string());
  }
  return {reinterpret_cast<const char*>(file.data.get()), file.size};
}

}  // namespace

void bind_files(py::module_& m) {
  m.def(
      "encode", &encode, py::arg("graph_json"), py::arg("tensors"), py::arg("recipe_json"),
      py::arg("made_by"), py::arg("self_check_inputs"), py::arg("output_recipe_json") = "",
      "The bytes of a frozen file: the graph is proved, the self-check run and filled. ValueError where the\n"
      "graph is unsound. self_check_inputs: uint8 codes (k, ...), k in 1..16, one for each graph input.\n"
      "output_recipe_json: '[{\"function\":\"softmax\",\"axis\":0}, {}]', one an output; '' where none has "
      "any.");
  m.def("save_atomically", &save, py::arg("path"), py::arg("data"),
        "Writes beside `path`, syncs and renames: `path` holds the old file or the whole new one. OSError.");
  m.def("load_bytes", &load, py::arg("path"),
        "A regular file's bytes, opened once. OSError where it cannot be read, ModelFileError where it does "
        "not\n"
        "open like a frozen file.");
  m.def(
      "peek_digest", [](const py::bytes& bytes) { return peek_digest(span_of(bytes)); }, py::arg("data"),
      "The digest field of a frozen file's bytes, unverified. ModelFileError where they cannot be one.");
}

}  // namespace icepoint::ops
