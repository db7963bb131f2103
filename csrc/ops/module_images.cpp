// icepoint._C, the pictures: pixels to codes, and outputs to answers and maps, as the executable does it.
#include <pybind11/stl.h>

#include <cstring>
#include <sstream>

#include "core/check.h"
#include "format/recipes.h"
#include "image/prepare.h"
#include "ops/arrays.h"
#include "ops/module.h"
#include "runtime/answers.h"
#include "runtime/class_map.h"
#include "runtime/picture_input.h"

namespace icepoint::ops {
namespace {

/// uint8 (n, h, w, c), dense.
struct Pictures {
  py::array_t<uint8_t> array;

  explicit Pictures(const py::array& pixels) : array(dense_array<uint8_t>(pixels, "pixels")) {
    require(array.ndim() == 4, "pixels: have shape ", to_string(shape_of(array)), ", expected (n, h, w, c)");
    check_image_size(array.shape(1), array.shape(2));
  }
  int64_t count() const { return array.shape(0); }
  Image at(int64_t i) const {
    const int64_t each = array.shape(1) * array.shape(2) * array.shape(3);
    const uint8_t* from = array.data() + i * each;
    return {array.shape(1), array.shape(2), array.shape(3), {from, from + each}};
  }
};

/// Reals (n, ...) of output 0 before its function, dense.
py::array_t<float> output_reals(const ModelFile& file, const py::array& reals) {
  const auto dense = dense_array<float>(reals, "reals");
  Shape expected = file.output(0).shape;
  expected.insert(expected.begin(), dense.ndim() > 0 ? dense.shape(0) : 0);
  require(shape_of(dense) == expected, "reals: have shape ", to_string(shape_of(dense)), ", expected ",
          to_string(expected));
  return dense;
}

py::array_t<uint8_t> prepare_pictures(const std::string& recipe_json, const py::array& pixels) {
  const Recipe r = parse_recipe(recipe_json);
  const Pictures pictures(pixels);
  auto prepared = new_array<uint8_t>({pictures.count(), r.height, r.width, r.channels});
  uint8_t* to = prepared.mutable_data();
  const py::gil_scoped_release release;
  for (int64_t i = 0; i < pictures.count(); ++i) {
    const Image ready = prepare_picture(pictures.at(i), r.resize, r.channels, r.height, r.width);
    to = std::copy(ready.data.begin(), ready.data.end(), to);
  }
  return prepared;
}

}  // namespace

py::array picture_codes(const Model& model, const py::array& pixels) {
  const Pictures pictures(pixels);
  const PictureInput input(model.file());
  const Recipe& r = model.file().recipe;
  auto codes = new_array<uint8_t>({pictures.count(), r.channels, r.height, r.width});
  uint8_t* to = codes.mutable_data();
  const py::gil_scoped_release release;
  for (int64_t i = 0; i < pictures.count(); ++i) input.codes(pictures.at(i), to + i * input.count());
  return codes;
}

py::list answers(const Model& model, const py::array& reals, int64_t top) {
  const ModelFile& file = model.file();
  require(classifies(file), "classify: the model's output is ", to_string(file.output(0).shape),
          ", expected one number for each class");
  require(top >= 1, "classify: top is ", top, ", expected at least 1");
  const auto dense = output_reals(file, reals);
  const auto each = static_cast<size_t>(model.output_count(0));
  py::list found;
  for (int64_t i = 0; i < dense.shape(0); ++i) {
    py::list one;
    for (const Answer& a :
         top_answers({dense.data() + static_cast<size_t>(i) * each, each}, file.output_function(0), top))
      one.append(py::make_tuple(class_name(file.recipe, a.index), a.index, a.probability));
    found.append(one);
  }
  return found;
}

std::string answers_text(const Model& model, const std::vector<std::string>& names, const py::array& reals,
                         int64_t top) {
  const auto dense = output_reals(model.file(), reals);
  require(std::ssize(names) == dense.shape(0), "answers_text: ", names.size(), " names for ", dense.shape(0),
          " samples");
  std::ostringstream text;
  print_answers(text, model.file(), names, {dense.data(), static_cast<size_t>(dense.size())}, top);
  return text.str();
}

py::array class_maps(const Model& model, const py::array& reals) {
  const ModelFile& file = model.file();
  require_class_map(file, "class_map");
  const auto dense = output_reals(file, reals);
  auto maps = new_array<uint8_t>({dense.shape(0), dense.shape(2), dense.shape(3)});
  const int64_t area = dense.shape(2) * dense.shape(3);
  uint8_t* to = maps.mutable_data();
  const py::gil_scoped_release release;
  for (int64_t i = 0; i < dense.shape(0); ++i) {
    const Image map = class_map(file, dense.data() + i * dense.shape(1) * area);
    to = std::copy(map.data.begin(), map.data.end(), to);
  }
  return maps;
}

void bind_images(py::module_& m) {
  m.def("prepare_pictures", &prepare_pictures, py::arg("recipe_json"), py::arg("pixels"),
        "uint8 pixels (n, h, w, c), c 1 or 3, to (n, height, width, channels) of a file's recipe: resized,\n"
        "grey or RGB. ValueError for a picture that the recipe does not take.");
}

}  // namespace icepoint::ops
