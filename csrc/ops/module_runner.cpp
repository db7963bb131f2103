// Model.runner(): one run of a prepared model on raw addresses, at the price of a plain C call.
//
// A small network takes a few microseconds, and pybind11's own call would be a good part of them.
#include <memory>

#include "core/check.h"
#include "ops/module.h"

namespace icepoint::ops {
namespace {

namespace py = pybind11;

// Work that is worth the two locks of giving up the interpreter: some 20 us on a fast CPU.
constexpr int64_t kReleaseWork = 4'000'000;

struct Runner {
  ModelPtr model;
  int64_t work;  // of one image
};

constexpr const char* kCapsule = "icepoint.runner";

void destroy(PyObject* capsule) {
  delete static_cast<Runner*>(PyCapsule_GetPointer(capsule, kCapsule));
}

// run(x, n, y): addresses as int; x holds n inputs, y room for n outputs.
PyObject* run(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 3)
    return PyErr_Format(PyExc_TypeError, "runner: expected (x, n, y), found %zd arguments", count);
  auto* x = static_cast<const float*>(PyLong_AsVoidPtr(args[0]));
  const int64_t n = PyLong_AsLongLong(args[1]);
  auto* y = static_cast<float*>(PyLong_AsVoidPtr(args[2]));
  if (PyErr_Occurred()) return nullptr;
  const auto& runner = *static_cast<const Runner*>(PyCapsule_GetPointer(self, kCapsule));
  try {
    const float* const inputs[] = {x};
    float* const outputs[] = {y};
    if (runner.work * n >= kReleaseWork) {
      const py::gil_scoped_release release;
      runner.model->run(inputs, n, outputs);
    } else {
      runner.model->run(inputs, n, outputs);
    }
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyMethodDef method{"runner", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(run)), METH_FASTCALL,
                   "run(x, n, y): n float32 inputs at the address x, outputs to the address y."};

}  // namespace

pybind11::object make_runner(const ModelPtr& model) {
  const Graph& graph = model->file().graph;
  require(graph.inputs.size() == 1 && graph.outputs.size() == 1, "runner: the model has ",
          graph.inputs.size(), " inputs and ", graph.outputs.size(), " outputs, expected one of each");
  auto runner = std::make_unique<Runner>(Runner{model, model->work()});
  const auto capsule = py::reinterpret_steal<py::object>(PyCapsule_New(runner.get(), kCapsule, destroy));
  if (!capsule) throw py::error_already_set();
  runner.release();
  const auto function = py::reinterpret_steal<py::object>(PyCFunction_New(&method, capsule.ptr()));
  if (!function) throw py::error_already_set();
  return function;
}

}  // namespace icepoint::ops
