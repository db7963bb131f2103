// icepoint._C: the Python module; importing it also loads torch.ops.icepoint.*. pybind11, no torch.
#include "ops/module.h"

#include <cerrno>
#include <exception>
#include <system_error>

#include "format/file.h"
#include "ops/registration.h"

namespace py = pybind11;

namespace {

// std::system_error is an OSError with its errno, so that `except FileNotFoundError` works.
void translate_system_error(std::exception_ptr pending) {
  try {
    if (pending) std::rethrow_exception(pending);
  } catch (const std::system_error& error) {
    const py::object args = py::make_tuple(error.code().value(), error.what());
    PyErr_SetObject(PyExc_OSError, args.ptr());
  }
}

}  // namespace

#ifndef TORCH_EXTENSION_NAME  // torch.utils.cpp_extension chooses the name of a module that it builds
#define TORCH_EXTENSION_NAME _C
#endif

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.doc() = "The compiled half of icepoint. Public names are re-exported by the package.";
  // The body runs again where sys.modules was emptied: its types would be registered twice.
  static bool imported = false;
  if (imported || !icepoint::ops::registration_error().empty())
    throw py::import_error(
        "torch.ops.icepoint is already registered in this process, by another copy of icepoint or by an "
        "earlier import of this one. Restart Python (a notebook: its kernel) and import icepoint once.");
  imported = true;
  py::register_local_exception_translator(translate_system_error);
  auto& model_file_error =
      py::register_local_exception<icepoint::ModelFileError>(m, "ModelFileError", PyExc_ValueError);
  model_file_error.attr("__module__") = "icepoint";
  model_file_error.attr("__doc__") = "A frozen file is malformed, was changed, or is from a newer icepoint.";
  icepoint::ops::bind_numbers(m);
  icepoint::ops::bind_files(m);
  icepoint::ops::bind_images(m);
  icepoint::ops::bind_model(m);
  icepoint::ops::bind_direct(m);
  icepoint::ops::bind_outputs(m);
  icepoint::ops::bind_statistics(m);
}
