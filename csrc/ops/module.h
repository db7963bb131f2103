// The parts of the Python module icepoint._C, one function each.
#pragma once

#include <pybind11/pybind11.h>

#include "ops/model_cache.h"

namespace icepoint::ops {

void bind_numbers(pybind11::module_& m);  // scalars of docs/numerics.md, threads, instruction sets
void bind_files(pybind11::module_& m);    // encode, save, load, digest
void bind_model(pybind11::module_& m);    // class Model

/// A function run(x, n, y) on addresses of float32; throws std::invalid_argument where the model has not one
/// input and one output.
pybind11::object make_runner(const ModelPtr& model);

}  // namespace icepoint::ops
