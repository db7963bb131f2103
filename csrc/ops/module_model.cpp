// icepoint._C.Model: a prepared frozen model for Python, on NumPy arrays.
#include <pybind11/stl.h>

#include "format/header.h"
#include "ops/arrays.h"
#include "ops/model_cache.h"
#include "ops/module.h"
#include "runtime/describe.h"

namespace icepoint::ops {
namespace {

using ArrayList = std::vector<py::array>;

// So many images run between two looks for Ctrl-C; a split of the batch changes no byte.
constexpr int64_t kImagesPerCall = 1024;

class PyModel {
 public:
  PyModel(const py::bytes& bytes, const std::optional<std::string>& isa) {
    const std::string_view view = bytes;
    const std::span<const uint8_t> span(reinterpret_cast<const uint8_t*>(view.data()), view.size());
    const py::gil_scoped_release release;
    model_ = isa ? load_for_isa(span, *isa) : load_shared(span);
  }

  const std::string& digest() const { return file().digest; }
  std::string isa() const { return model_->isa().name; }

  std::string verify() const {
    const py::gil_scoped_release release;
    return icepoint::verify(*model_);
  }

  std::vector<double> profile(int64_t n, int repeats) const {
    const py::gil_scoped_release release;
    return model_->profile(n, repeats);
  }

  std::map<std::string, py::array> tensors() const {
    std::map<std::string, py::array> out;
    for (const auto& [name, tensor] : graph_tensors(file().graph)) out.emplace(name, array_from(tensor));
    return out;
  }

  template <class T>
  ArrayList run(const ArrayList& inputs) const {
    const std::vector<py::array_t<T>> dense = checked<T>(inputs);
    const Graph& graph = file().graph;
    const int64_t n = dense[0].shape(0);
    std::vector<py::array_t<T>> outputs;
    for (size_t i = 0; i < graph.outputs.size(); ++i)
      outputs.push_back(new_array<T>(batched(output_shape<T>(i), n)));
    std::vector<const T*> xs(dense.size());
    std::vector<T*> ys(outputs.size());
    for (int64_t begin = 0; begin < n; begin += kImagesPerCall) {
      for (size_t i = 0; i < xs.size(); ++i) xs[i] = dense[i].data() + begin * model_->input_count(i);
      for (size_t i = 0; i < ys.size(); ++i)
        ys[i] = outputs[i].mutable_data() + begin * *numel(output_shape<T>(i));
      call(xs, std::min(kImagesPerCall, n - begin), ys);
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
    return {outputs.begin(), outputs.end()};
  }

  std::pair<ArrayList, ArrayList> both(const ArrayList& inputs) const {
    const std::vector<py::array_t<uint8_t>> dense = checked<uint8_t>(inputs);
    const int64_t n = dense[0].shape(0);
    std::vector<const uint8_t*> xs;
    for (const auto& x : dense) xs.push_back(x.data());
    std::vector<py::array_t<uint8_t>> codes;
    std::vector<py::array_t<float>> reals;
    std::vector<uint8_t*> to_codes;
    std::vector<float*> to_reals;
    for (size_t i = 0; i < file().graph.outputs.size(); ++i) {
      const Shape shape = batched(output_shape<uint8_t>(i), n);
      to_codes.push_back(codes.emplace_back(new_array<uint8_t>(shape)).mutable_data());
      to_reals.push_back(reals.emplace_back(new_array<float>(shape)).mutable_data());
    }
    {
      const py::gil_scoped_release release;
      model_->run_both(xs, n, to_codes, to_reals);
    }
    return {{codes.begin(), codes.end()}, {reals.begin(), reals.end()}};
  }

  std::vector<std::pair<std::string, py::array>> trace(const ArrayList& inputs) const {
    const std::vector<py::array_t<uint8_t>> dense = checked<uint8_t>(inputs);
    std::vector<const uint8_t*> xs;
    for (const auto& a : dense) xs.push_back(a.data());
    const int64_t n = dense[0].shape(0);
    const Graph& graph = file().graph;
    std::vector<std::pair<std::string, py::array>> seen;
    const py::gil_scoped_release release;
    model_->trace(xs, n, [&](int64_t value, std::span<const uint8_t> codes) {
      const py::gil_scoped_acquire acquire;
      auto array = new_array<uint8_t>(batched(shape_of_value(value), n));
      if (!codes.empty()) std::memcpy(array.mutable_data(), codes.data(), codes.size());
      const auto inputs_count = std::ssize(graph.inputs);
      seen.emplace_back(value < inputs_count ? graph.inputs[static_cast<size_t>(value)].name
                                             : graph.nodes[static_cast<size_t>(value - inputs_count)].name,
                        std::move(array));
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    });
    return seen;
  }

  std::string describe() const { return describe_json(*model_); }
  py::object runner(const py::object& torch, const py::object& short_cuts) const {
    return make_runner(model_, torch, short_cuts);
  }

  py::array picture_codes(const py::array& pixels) const { return ops::picture_codes(*model_, pixels); }
  py::list answers(const py::array& reals, int64_t top) const { return ops::answers(*model_, reals, top); }
  std::string answers_text(const std::vector<std::string>& names, const py::array& reals, int64_t top) const {
    return ops::answers_text(*model_, names, reals, top);
  }
  py::array class_maps(const py::array& reals) const { return ops::class_maps(*model_, reals); }

 private:
  const ModelFile& file() const { return model_->file(); }

  const Shape& shape_of_value(int64_t value) const {
    return file().proof.values[static_cast<size_t>(value)].shape;
  }
  // Output i of run (T float), behind its function, or of run_codes.
  template <class T>
  Shape output_shape(size_t i) const {
    if constexpr (std::is_same_v<T, float>) return model_->real_shape(i);
    return shape_of_value(file().graph.outputs[i]);
  }
  static Shape batched(Shape shape, int64_t n) {
    shape.insert(shape.begin(), n);
    return shape;
  }

  void call(const std::vector<const float*>& xs, int64_t n, const std::vector<float*>& ys) const {
    const py::gil_scoped_release release;
    model_->run(xs, n, ys);
  }
  void call(const std::vector<const uint8_t*>& xs, int64_t n, const std::vector<uint8_t*>& ys) const {
    const py::gil_scoped_release release;
    model_->run_codes(xs, n, ys);
  }

  // Every input (N, ...) dense, with the graph's shape and one N.
  template <class T>
  std::vector<py::array_t<T>> checked(const ArrayList& inputs) const {
    const Graph& graph = file().graph;
    require(inputs.size() == graph.inputs.size(), "Model: ", inputs.size(), " inputs, the model takes ",
            graph.inputs.size());
    std::vector<py::array_t<T>> dense;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::string who = "Model: inputs[" + std::to_string(i) + "]";
      dense.push_back(dense_array<T>(inputs[i], who));
      const int64_t n = inputs[0].ndim() > 0 ? inputs[0].shape(0) : 0;
      const Shape expected = batched(graph.inputs[i].shape, n);
      require(shape_of(inputs[i]) == expected, who, ": has shape ", to_string(shape_of(inputs[i])),
              ", expected (N, ", to_string(graph.inputs[i].shape).substr(1),
              i ? " with the N of inputs[0]" : "", kOneSize);
    }
    return dense;
  }

  ModelPtr model_;
};

}  // namespace

void bind_model(py::module_& m) {
  py::class_<PyModel>(
      m, "Model",
      "A frozen file's bytes, read, verified and prepared. Without `isa` the prepared model is shared\n"
      "with every other Model and with torch.ops.icepoint.run of the same digest.")
      .def(py::init<const py::bytes&, const std::optional<std::string>&>(), py::arg("data"),
           py::arg("isa") = py::none())
      .def_property_readonly("digest", &PyModel::digest, "64 hex digits: the SHA-256 of the file.")
      .def_property_readonly("isa", &PyModel::isa, "The instruction set that it is prepared for.")
      .def("profile", &PyModel::profile, py::arg("n"), py::arg("repeats"),
           "Seconds spent in each op over `repeats` runs of a batch of n zeros.")
      .def("describe", &PyModel::describe,
           "The JSON document of runtime/describe.h: inputs, outputs, ops, totals, recipe, made_by, ...")
      .def("verify", &PyModel::verify,
           "Replays the self-check; '' or a sentence naming the first wrong layer.")
      .def("tensors", &PyModel::tensors, "Every tensor of the graph as stored, by name: 'conv1.weight', ...")
      .def("trace", &PyModel::trace, py::arg("inputs"),
           "[(name, uint8 codes (n, ...))] of every value, the inputs first, computed without fusions.")
      .def("runner", &PyModel::runner, py::arg("torch"), py::arg("short_cuts"),
           "What direct_call runs; None where the model has not one input and one output.")
      .def("picture_codes", &PyModel::picture_codes, py::arg("pixels"),
           "uint8 pixels (n, h, w, c) to input codes (n, channels, height, width), by the file's recipe.")
      .def("answers", &PyModel::answers, py::arg("reals"), py::arg("top"),
           "[[(class, index, probability or None)]] of reals (n, classes), the `top` largest of each.")
      .def("answers_text", &PyModel::answers_text, py::arg("names"), py::arg("reals"), py::arg("top"),
           "The table that `icepoint run --no-latency` prints of samples with these names (bytes).")
      .def("class_maps", &PyModel::class_maps, py::arg("reals"),
           "uint8 (n, h, w) of reals (n, classes, h, w): the class of each pixel.")
      .def("run_codes", &PyModel::run<uint8_t>, py::arg("inputs"), "uint8 codes (n, ...) in and out.")
      .def("both", &PyModel::both, py::arg("inputs"),
           "(uint8 codes, float32 reals before any function) of every output, of uint8 codes (n, ...).")
      .def("run", &PyModel::run<float>, py::arg("inputs"),
           "float32 (n, ...) in and out, behind the output functions: argmax gives its indices in float32.");
}

}  // namespace icepoint::ops
