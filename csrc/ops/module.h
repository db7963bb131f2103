// The parts of the Python module icepoint._C, one function each.
#pragma once

#include <pybind11/pybind11.h>

namespace icepoint::ops {

void bind_numbers(pybind11::module_& m);  // scalars of docs/numerics.md, threads, instruction sets
void bind_files(pybind11::module_& m);    // encode, save, load, digest
void bind_model(pybind11::module_& m);    // class Model

}  // namespace icepoint::ops
