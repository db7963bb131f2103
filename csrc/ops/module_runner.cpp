// frozen(x): a plain float32 tensor through a prepared model at the price of a C call.
//
// A small network takes a few microseconds; torch's dispatcher, or the same checks in Python, would cost as
// much.
#include <memory>

#include "core/check.h"
#include "ops/module.h"

namespace icepoint::ops {
namespace {

namespace py = pybind11;

// Work that is worth the two locks of giving up the interpreter: some 20 us on a fast CPU.
constexpr int64_t kReleaseWork = 4'000'000;
constexpr const char* kCapsule = "icepoint.runner";

py::object steal(PyObject* object) {
  return py::reinterpret_steal<py::object>(object);
}

/// Names of attributes, which live as long as the process.
struct Names {
  static py::object name(const char* text) { return steal(PyUnicode_InternFromString(text)); }
  py::object runner = name("_runner"), hooks = name("_forward_hooks"), pre_hooks = name("_forward_pre_hooks");
  py::object shape = name("shape"), dtype = name("dtype"), requires_grad = name("requires_grad");
  py::object is_cpu = name("is_cpu"), is_contiguous = name("is_contiguous"), is_neg = name("is_neg");
  py::object data_ptr = name("data_ptr"), to_int64 = name("long");
};
const Names& names() {
  static const Names* const all = new Names;
  return *all;
}

py::object attribute(PyObject* x, const py::object& name) {
  return steal(PyObject_GetAttr(x, name.ptr()));
}
py::object method(PyObject* x, const py::object& name) {
  return steal(PyObject_CallMethodNoArgs(x, name.ptr()));
}
void* address_of(PyObject* tensor) {
  const py::object address = method(tensor, names().data_ptr);
  return address ? PyLong_AsVoidPtr(address.ptr()) : nullptr;
}
bool is_zero(const py::object& count) {
  const py::object found = steal(PyObject_CallNoArgs(count.ptr()));
  return found && PyLong_AsLong(found.ptr()) == 0;
}

/// Inputs like the last one: plain float32 tensors of one shape, in the state that torch was in.
struct Known {
  py::object like = py::none();  // like(x): whether x is one
  int64_t n = 0;                 // its images,
  py::object result;             // and what `empty` makes the result of: (sizes, strides, dtype)
};

struct Runner {
  ModelPtr model;
  int64_t work;  // of one image
  Shape image, result;
  bool indices;                                                        // the result becomes int64
  py::object tensor, float32, dispatch_modes, function_modes, traces;  // torch's own
  py::object guard, empty;                                             // of icepoint/torch_short_cuts.py
  py::object hooks, pre_hooks;                                         // of all modules
  Known known;

  /// Whether inputs.. = (x), is taken; what is known fits it then. May leave an error.
  bool takes(PyObject* inputs) {
    if (!is_zero(function_modes)) return false;
    if (known.like.is_none()) return learn(inputs);
    const py::object same = steal(PyObject_Call(known.like.ptr(), inputs, nullptr));
    return same && (same.ptr() == Py_True || learn(inputs));
  }

 private:
  bool is_plain(PyObject* x) const {
    const Names& name = names();
    return reinterpret_cast<PyObject*>(Py_TYPE(x)) == tensor.ptr() && is_zero(dispatch_modes) &&
           is_zero(traces) && attribute(x, name.dtype).ptr() == float32.ptr() &&
           attribute(x, name.requires_grad).ptr() == Py_False && attribute(x, name.is_cpu).ptr() == Py_True &&
           method(x, name.is_contiguous).ptr() == Py_True && method(x, name.is_neg).ptr() == Py_False;
  }

  bool learn(PyObject* inputs) {
    PyObject* const x = PyTuple_GET_ITEM(inputs, 0);
    if (!is_plain(x)) return false;
    const py::object shape = attribute(x, names().shape);
    const Py_ssize_t rank = shape && PyTuple_Check(shape.ptr()) ? PyTuple_GET_SIZE(shape.ptr()) : 0;
    if (rank != std::ssize(image) + 1) return false;
    const auto dim = [&](Py_ssize_t i) { return PyLong_AsLongLong(PyTuple_GET_ITEM(shape.ptr(), i)); };
    for (Py_ssize_t i = 1; i < rank; ++i)
      if (dim(i) != image[static_cast<size_t>(i) - 1]) return false;
    if (dim(0) < 1) return false;
    py::object like = steal(PyObject_Call(guard.ptr(), inputs, nullptr));
    if (!like) return false;
    known = {std::move(like), dim(0), arguments_of_empty(dim(0))};
    return true;
  }

  py::object arguments_of_empty(int64_t n) const {
    py::tuple sizes(result.size() + 1), strides(result.size() + 1);
    int64_t stride = 1;
    for (size_t i = result.size(); i > 0; --i) {
      sizes[i] = result[i - 1], strides[i] = stride;
      stride *= result[i - 1];
    }
    sizes[0] = n, strides[0] = stride;
    return py::make_tuple(sizes, strides, float32);
  }
};

void run(const Runner& r, const void* x, int64_t n, void* y) {
  const float* const inputs[] = {static_cast<const float*>(x)};
  float* const outputs[] = {static_cast<float*>(y)};
  if (r.work * n < kReleaseWork) return r.model->run(inputs, n, outputs);
  const py::gil_scoped_release release;
  r.model->run(inputs, n, outputs);
}

/// The result for inputs = (x), null with an error set, or None where the operator has to be asked.
py::object result_of(Runner& r, PyObject* inputs) {
  const void* const from = r.takes(inputs) ? address_of(PyTuple_GET_ITEM(inputs, 0)) : nullptr;
  if (from == nullptr) {
    PyErr_Clear();  // whatever is wrong is the operator's to say
    return py::none();
  }
  const Known known = r.known;  // another thread may learn another shape while torch makes the result
  py::object y = steal(PyObject_Call(r.empty.ptr(), known.result.ptr(), nullptr));
  void* const to = y ? address_of(y.ptr()) : nullptr;
  if (to == nullptr) return {};
  run(r, from, known.n, to);
  return r.indices ? method(y.ptr(), names().to_int64) : y;
}

/// The capsule of `module`'s runner, or null where hooks want to see the call or there is none.
py::object runner_of(PyObject* module) {
  const py::object own = steal(PyObject_GenericGetDict(module, nullptr));
  if (!own) return {};
  const auto found = [&](const py::object& name) { return PyDict_GetItemWithError(own.ptr(), name.ptr()); };
  const auto is_empty = [](PyObject* dict) { return dict && PyDict_Check(dict) && PyDict_Size(dict) == 0; };
  PyObject* const capsule = found(names().runner);
  const auto* r = static_cast<const Runner*>(capsule ? PyCapsule_GetPointer(capsule, kCapsule) : nullptr);
  if (!r || !is_empty(found(names().hooks)) || !is_empty(found(names().pre_hooks)) ||
      !is_empty(r->hooks.ptr()) || !is_empty(r->pre_hooks.ptr()))
    return {};
  return py::reinterpret_borrow<py::object>(capsule);
}

PyObject* call(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 3 || !PyTuple_Check(args[1]) || !PyDict_Check(args[2])) {
    PyErr_SetString(PyExc_TypeError, "direct_call: expected a module, a tuple and a dict");
    return nullptr;
  }
  if (PyTuple_GET_SIZE(args[1]) != 1 || PyDict_GET_SIZE(args[2]) != 0) Py_RETURN_NONE;
  const py::object runner = runner_of(args[0]);
  if (!runner) {
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  try {
    return result_of(*static_cast<Runner*>(PyCapsule_GetPointer(runner.ptr(), kCapsule)), args[1])
        .release()
        .ptr();
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
    return nullptr;
  }
}

PyMethodDef definition{
    "direct_call", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call)), METH_FASTCALL,
    "direct_call(module, inputs, named): the float32 (n, ...) tensor that a FrozenModel gives for its one\n"
    "plain input, or None where the operator has to be asked."};

}  // namespace

py::object make_runner(const ModelPtr& model, const py::object& torch, const py::object& short_cuts) {
  const ModelFile& file = model->file();
  if (file.graph.inputs.size() != 1 || file.graph.outputs.size() != 1) return py::none();
  const py::object c = torch.attr("_C"), modules = torch.attr("nn").attr("modules").attr("module");
  auto r =
      std::make_unique<Runner>(Runner{.model = model,
                                      .work = model->work(),
                                      .image = file.graph.inputs[0].shape,
                                      .result = model->real_shape(0),
                                      .indices = file.output_function(0).kind == OutputFunction::Kind::argmax,
                                      .tensor = torch.attr("Tensor"),
                                      .float32 = torch.attr("float32"),
                                      .dispatch_modes = c.attr("_len_torch_dispatch_stack"),
                                      .function_modes = c.attr("_len_torch_function_stack"),
                                      .traces = c.attr("_is_tracing"),
                                      .guard = short_cuts.attr("guard"),
                                      .empty = short_cuts.attr("empty"),
                                      .hooks = modules.attr("_global_forward_hooks"),
                                      .pre_hooks = modules.attr("_global_forward_pre_hooks"),
                                      .known = {}});
  const py::object capsule = steal(PyCapsule_New(r.get(), kCapsule, [](PyObject* self) {
    delete static_cast<Runner*>(PyCapsule_GetPointer(self, kCapsule));
  }));
  if (!capsule) throw py::error_already_set();
  r.release();
  return capsule;
}

void bind_direct(py::module_& m) {
  const py::object function = steal(PyCFunction_New(&definition, nullptr));
  if (!function) throw py::error_already_set();
  m.attr(definition.ml_name) = function;
}

}  // namespace icepoint::ops
