// torch.ops.icepoint.*: every schema, and the function behind it. The table of contents.
//
// Activations are uint8 in any memory format, weights int8, accumulators int32. The arithmetic is
// docs/numerics.md. Shapes for torch.compile and gradients are registered in python/icepoint/ops.py.
#include <torch/csrc/stable/library.h>

#include "ops/ops.h"
#include "ops/registration.h"

namespace icepoint::ops {
namespace {

// Function-local: the registrations below run before this file's other globals would be ready.
std::string& mutable_registration_error() {
  static std::string text;
  return text;
}

void define(torch::stable::detail::StableLibrary& m) {
  m.def("quantize(Tensor x, Tensor scale, Tensor zero_point, int qmin, int qmax, int? axis=None) -> Tensor");
  m.def("dequantize(Tensor q, Tensor scale, Tensor zero_point, int? axis=None) -> Tensor");
  m.def(
      "fake_quantize(Tensor x, Tensor scale, Tensor zero_point, int qmin, int qmax, int? axis=None) -> "
      "Tensor");
  m.def(
      "fake_quantize_backward(Tensor grad, Tensor x, Tensor scale, Tensor zero_point, int qmin, int qmax, "
      "int? axis=None) -> Tensor[]");
  m.def(
      "requantize(Tensor acc, Tensor multiplier, Tensor shift, int zero_point, int qmin, int qmax, "
      "int? axis=None) -> Tensor");

  m.def(
      "conv2d_int32(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias, "
      "int[2] stride, int[4] padding, int[2] dilation, int groups) -> Tensor");
  m.def(
      "linear_int32(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias) -> "
      "Tensor");
  m.def(
      "qconv2d(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias, "
      "Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax, int[2] stride, int[4] padding, "
      "int[2] dilation, int groups) -> Tensor");
  m.def(
      "qconv_transpose2d(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias, "
      "Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax, int[2] stride, int[4] padding, "
      "int[2] output_padding, int[2] dilation, int groups) -> Tensor");
  m.def(
      "qlinear(Tensor x, int x_zero_point, Tensor weight, Tensor weight_zero_point, Tensor? bias, "
      "Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax) -> Tensor");

  m.def(
      "qmax_pool2d(Tensor x, int[2] kernel_size, int[2] stride, int[4] padding, int[2] dilation, "
      "bool ceil_mode) -> Tensor");
  m.def(
      "qavg_pool2d(Tensor x, int x_zero_point, int[2] kernel_size, int[2] stride, int[4] padding, "
      "bool ceil_mode, bool count_include_pad, Tensor divisors, Tensor multiplier, Tensor shift, "
      "int y_zero_point, int qmin, int qmax) -> Tensor");
  m.def(
      "qadaptive_avg_pool2d(Tensor x, int x_zero_point, int[2] output_size, Tensor divisors, "
      "Tensor multiplier, Tensor shift, int y_zero_point, int qmin, int qmax) -> Tensor");

  m.def(
      "qadd(Tensor a, int a_zero_point, int a_multiplier, Tensor b, int b_zero_point, int b_multiplier, "
      "int shift, int y_zero_point, int qmin, int qmax) -> Tensor");
  m.def(
      "qmul(Tensor a, int a_zero_point, Tensor b, int b_zero_point, int multiplier, int shift, "
      "int y_zero_point, int qmin, int qmax) -> Tensor");
  m.def(
      "qaffine(Tensor x, int x_zero_point, Tensor multiplier, Tensor offset, Tensor shift, int y_zero_point, "
      "int qmin, int qmax) -> Tensor");
  m.def("lookup(Tensor x, Tensor table) -> Tensor");
  m.def("qupsample_bilinear2d(Tensor x, int[2] output_size, bool align_corners) -> Tensor");
  m.def(
      "qconcat(Tensor[] xs, int[] zero_points, Tensor multiplier, Tensor shift, int y_zero_point, int qmin, "
      "int qmax, int axis=1) -> Tensor");

  // float32 in and out; run_codes takes and returns uint8 codes. `model` holds a frozen file's bytes,
  // `key` its digest and output shapes without N: "ab12...:[[10]]".
  m.def("run(Tensor[] inputs, Tensor model, str key) -> Tensor[]");
  m.def("run_codes(Tensor[] inputs, Tensor model, str key) -> Tensor[]");
}

void implement(torch::stable::detail::StableLibrary& m) {
  m.impl("quantize", TORCH_BOX(&quantize));
  m.impl("dequantize", TORCH_BOX(&dequantize));
  m.impl("fake_quantize", TORCH_BOX(&fake_quantize));
  m.impl("fake_quantize_backward", TORCH_BOX(&fake_quantize_backward));
  m.impl("requantize", TORCH_BOX(&requantize));
  m.impl("conv2d_int32", TORCH_BOX(&conv2d_int32));
  m.impl("linear_int32", TORCH_BOX(&linear_int32));
  m.impl("qconv2d", TORCH_BOX(&qconv2d));
  m.impl("qconv_transpose2d", TORCH_BOX(&qconv_transpose2d));
  m.impl("qlinear", TORCH_BOX(&qlinear));
  m.impl("qmax_pool2d", TORCH_BOX(&qmax_pool2d));
  m.impl("qavg_pool2d", TORCH_BOX(&qavg_pool2d));
  m.impl("qadaptive_avg_pool2d", TORCH_BOX(&qadaptive_avg_pool2d));
  m.impl("qadd", TORCH_BOX(&qadd));
  m.impl("qmul", TORCH_BOX(&qmul));
  m.impl("qaffine", TORCH_BOX(&qaffine));
  m.impl("lookup", TORCH_BOX(&lookup));
  m.impl("qupsample_bilinear2d", TORCH_BOX(&qupsample_bilinear2d));
  m.impl("qconcat", TORCH_BOX(&qconcat));
  m.impl("run", &run);
  m.impl("run_codes", &run_codes);
}

}  // namespace

const std::string& registration_error() {
  return mutable_registration_error();
}

// An exception here would leave a static initializer and abort the process. The first def() fails
// where another copy of this library is loaded: nothing of this copy is registered then, the other
// keeps working, and the Python module of this copy raises ImportError.
STABLE_TORCH_LIBRARY_FRAGMENT(icepoint, m) {
  try {
    define(m);
  } catch (const std::exception& e) {
    mutable_registration_error() = e.what();
  }
}

// Not the CPU key: so a CUDA or sparse tensor reaches the checks and is refused in words.
STABLE_TORCH_LIBRARY_IMPL(icepoint, CompositeExplicitAutograd, m) {
  if (!mutable_registration_error().empty()) return;
  try {
    implement(m);
  } catch (const std::exception& e) {
    mutable_registration_error() = e.what();
  }
}

}  // namespace icepoint::ops
