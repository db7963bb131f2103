// The parts of the Python module icepoint._C, one function each.
#pragma once

#include <pybind11/pybind11.h>

#include "ops/model_cache.h"

namespace icepoint::ops {

void bind_numbers(pybind11::module_& m);  // scalars of docs/numerics.md, threads, instruction sets
void bind_files(pybind11::module_& m);    // encode, save, load, digest
void bind_model(pybind11::module_& m);    // class Model

/// A function run(x) of plain float32 tensors, that returns None where the operator has to be asked: other
/// dtypes, shapes, devices, gradients, torch's modes. `torch` is the module. Throws std::invalid_argument
/// where the model has not one input and one output.
pybind11::object make_runner(const ModelPtr& model, const pybind11::object& torch);

}  // namespace icepoint::ops
