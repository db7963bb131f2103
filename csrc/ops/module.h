// The parts of the Python module icepoint._C, one function each.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "ops/model_cache.h"

namespace icepoint::ops {

void bind_numbers(pybind11::module_& m);     // scalars of docs/numerics.md, threads, instruction sets
void bind_files(pybind11::module_& m);       // encode, save, load, digest
void bind_images(pybind11::module_& m);      // pictures to the model's pixels
void bind_model(pybind11::module_& m);       // class Model
void bind_direct(pybind11::module_& m);      // a FrozenModel's call
void bind_outputs(pybind11::module_& m);     // functions that end a network
void bind_statistics(pybind11::module_& m);  // extremes and counts for the observers

/// What direct_call(module, inputs, named) runs, for the attribute `_runner` of a module; None where the
/// model has not one input and one output. `torch` is the module, `short_cuts` icepoint.torch_short_cuts.
pybind11::object make_runner(const ModelPtr& model, const pybind11::object& torch,
                             const pybind11::object& short_cuts);

/// Input codes (n, channels, height, width) of uint8 pixels (n, h, w, c), by the recipe in the file.
pybind11::array picture_codes(const Model& model, const pybind11::array& pixels);

/// [[(class, index, probability or None)]] of reals (n, classes), the `top` largest of each sample.
pybind11::list answers(const Model& model, const pybind11::array& reals, int64_t top);

/// The table that `icepoint run --no-latency` prints of them.
std::string answers_text(const Model& model, const std::vector<std::string>& names,
                         const pybind11::array& reals, int64_t top);

/// uint8 (n, h, w) of reals (n, classes, h, w): the class of each pixel.
pybind11::array class_maps(const Model& model, const pybind11::array& reals);

}  // namespace icepoint::ops
