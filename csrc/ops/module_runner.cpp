// Model.runner(...): a plain float32 tensor through a prepared model at the price of a C call.
//
// A small network takes a few microseconds; torch's dispatcher, or the same checks in Python, would cost as
// much.
#include <array>
#include <memory>

#include "core/check.h"
#include "ops/module.h"

namespace icepoint::ops {
namespace {

namespace py = pybind11;

// Work that is worth the two locks of giving up the interpreter: some 20 us on a fast CPU.
constexpr int64_t kReleaseWork = 4'000'000;
constexpr size_t kMostDims = 8;
constexpr const char* kCapsule = "icepoint.runner";

struct Runner {
  ModelPtr model;
  int64_t work;  // of one image
  Shape image, result;
  py::object tensor, float32, empty, dispatch_modes, function_modes;                // torch's own
  py::object shape, dtype, requires_grad, is_cpu, is_contiguous, is_neg, data_ptr;  // names of attributes
  py::object known = py::none();           // shape of the last input,
  int64_t n = 0;                           // its images,
  std::array<py::object, kMostDims> dims;  // and the shape of the output

  // Whether x, of another shape than the last, can be taken; it is the known one then.
  bool learn(const py::object& found) {
    const Py_ssize_t rank = PyTuple_Check(found.ptr()) ? PyTuple_GET_SIZE(found.ptr()) : 0;
    if (rank != std::ssize(image) + 1) return false;
    const auto dim = [&](Py_ssize_t i) { return PyLong_AsLongLong(PyTuple_GET_ITEM(found.ptr(), i)); };
    for (Py_ssize_t i = 1; i < rank; ++i)
      if (dim(i) != image[static_cast<size_t>(i) - 1]) return false;
    if (dim(0) < 1) return false;
    n = dim(0);
    dims[0] = py::int_(n);
    known = found;
    return true;
  }
};

py::object steal(PyObject* object) {
  return py::reinterpret_steal<py::object>(object);
}
py::object attribute(PyObject* x, const py::object& name) {
  return steal(PyObject_GetAttr(x, name.ptr()));
}
py::object method(PyObject* x, const py::object& name) {
  return steal(PyObject_CallMethodNoArgs(x, name.ptr()));
}
bool is_zero(const py::object& count) {
  const py::object found = steal(PyObject_CallNoArgs(count.ptr()));
  return found && PyLong_AsLong(found.ptr()) == 0;
}

// Address of a plain tensor that the known shape fits, or null, perhaps with an error set.
void* address_of(Runner& r, PyObject* x) {
  if (reinterpret_cast<PyObject*>(Py_TYPE(x)) != r.tensor.ptr()) return nullptr;
  const py::object shape = attribute(x, r.shape);
  if (!shape) return nullptr;
  const int same = PyObject_RichCompareBool(shape.ptr(), r.known.ptr(), Py_EQ);
  if (same < 0 || (same == 0 && !r.learn(shape))) return nullptr;
  if (attribute(x, r.dtype).ptr() != r.float32.ptr() || attribute(x, r.requires_grad).ptr() != Py_False ||
      attribute(x, r.is_cpu).ptr() != Py_True)
    return nullptr;
  if (!is_zero(r.dispatch_modes) || !is_zero(r.function_modes)) return nullptr;
  if (method(x, r.is_contiguous).ptr() != Py_True || method(x, r.is_neg).ptr() != Py_False) return nullptr;
  const py::object address = method(x, r.data_ptr);
  return address ? PyLong_AsVoidPtr(address.ptr()) : nullptr;
}

void run(const Runner& r, const void* x, void* y) {
  const float* const inputs[] = {static_cast<const float*>(x)};
  float* const outputs[] = {static_cast<float*>(y)};
  if (r.work * r.n < kReleaseWork) return r.model->run(inputs, r.n, outputs);
  const int64_t n = r.n;  // another thread may learn another shape meanwhile
  const py::gil_scoped_release release;
  r.model->run(inputs, n, outputs);
}

// run(x) -> tensor, or None where the operator has to be asked: whatever is wrong is the operator's to say.
PyObject* call(PyObject* self, PyObject* x) {
  Runner& r = *static_cast<Runner*>(PyCapsule_GetPointer(self, kCapsule));
  const void* const from = address_of(r, x);
  if (from == nullptr) {
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  std::array<PyObject*, kMostDims> dims{};
  for (size_t i = 0; i <= r.result.size(); ++i) dims[i] = r.dims[i].ptr();
  py::object y = steal(PyObject_Vectorcall(r.empty.ptr(), dims.data(), r.result.size() + 1, nullptr));
  const py::object address = y ? method(y.ptr(), r.data_ptr) : py::object();
  void* const to = address ? PyLong_AsVoidPtr(address.ptr()) : nullptr;
  // torch.set_default_dtype decides what torch.empty makes.
  if (to == nullptr || attribute(y.ptr(), r.dtype).ptr() != r.float32.ptr()) {
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  try {
    run(r, from, to);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
    return nullptr;
  }
  return y.release().ptr();
}

PyMethodDef definition{"runner", call, METH_O, "run(x): float32 (n, ...) to float32 (n, ...), or None."};

}  // namespace

py::object make_runner(const ModelPtr& model, const py::object& torch) {
  const ModelFile& file = model->file();
  require(file.graph.inputs.size() == 1 && file.graph.outputs.size() == 1, "runner: the model has ",
          file.graph.inputs.size(), " inputs and ", file.graph.outputs.size(),
          " outputs, expected one of each");
  auto r = std::make_unique<Runner>();
  r->model = model;
  r->work = model->work();
  r->image = file.graph.inputs[0].shape;
  r->result = model->real_shape(0);
  r->tensor = torch.attr("Tensor"), r->float32 = torch.attr("float32"), r->empty = torch.attr("empty");
  r->dispatch_modes = torch.attr("_C").attr("_len_torch_dispatch_stack");
  r->function_modes = torch.attr("_C").attr("_len_torch_function_stack");
  const auto name = [](const char* text) { return steal(PyUnicode_InternFromString(text)); };
  r->shape = name("shape"), r->dtype = name("dtype"), r->requires_grad = name("requires_grad");
  r->is_cpu = name("is_cpu"), r->is_contiguous = name("is_contiguous"), r->is_neg = name("is_neg");
  r->data_ptr = name("data_ptr");
  for (size_t i = 0; i < r->result.size(); ++i) r->dims[i + 1] = py::int_(r->result[i]);
  const py::object capsule = steal(PyCapsule_New(r.get(), kCapsule, [](PyObject* self) {
    delete static_cast<Runner*>(PyCapsule_GetPointer(self, kCapsule));
  }));
  if (!capsule) throw py::error_already_set();
  r.release();
  const py::object function = steal(PyCFunction_New(&definition, capsule.ptr()));
  if (!function) throw py::error_already_set();
  return function;
}

}  // namespace icepoint::ops
