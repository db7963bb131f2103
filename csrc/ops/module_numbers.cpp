// icepoint._C, the numbers: scales, multipliers, divisors, packed codes, threads, instruction sets.
#include <pybind11/stl.h>

#include <optional>

#include "core/check.h"
#include "core/float_env.h"
#include "core/multiplier.h"
#include "core/qparams.h"
#include "graph/validate.h"
#include "kernels/select.h"
#include "layers/layers.h"
#include "ops/arrays.h"
#include "ops/module.h"
#include "runtime/threads.h"

namespace icepoint::ops {
namespace {

Extent image(int64_t h, int64_t w) {
  require_range(h, 1, kMaxValueBytes, "h");
  require_range(w, 1, kMaxValueBytes, "w");
  return {h, w, 1};
}

// FloatEnv as a context manager, for the float64 steps that Python takes.
class PyFloatEnv {
 public:
  void enter() { env_.emplace(); }
  void exit(const py::args&) { env_.reset(); }

 private:
  std::optional<FloatEnv> env_;
};

QParams checked(double scale, int64_t zero_point, int64_t bits, const std::string& who) {
  require_range(bits, 2, 8, who + "_bits");
  require_range(zero_point, 0, 255, who + "_zero_point");
  const QParams q{static_cast<float>(scale), static_cast<int32_t>(zero_point), static_cast<int32_t>(bits)};
  check_qparams(q, who);
  return q;
}

// Work that grows with numbers and not with data is bounded.
void check_windows(int64_t oh, int64_t ow, const std::string& who) {
  require(oh > 0 && ow > 0, who, ": the window does not fit the padded input");
  require(oh <= kMaxPoolWindows && ow <= kMaxPoolWindows && oh * ow <= kMaxPoolWindows, who, ": ", oh, " x ",
          ow, " windows, expected at most ", kMaxPoolWindows);
}

std::vector<int64_t> avg_divisors(int64_t h, int64_t w, std::array<int64_t, 2> kernel,
                                  std::array<int64_t, 2> stride, std::array<int64_t, 4> padding,
                                  bool ceil_mode, bool count_include_pad, int64_t divisor_override) {
  const std::string who = "avg_pool2d_divisors";
  const Window window{kernel, stride, padding, {1, 1}};
  check_window(window, who);
  require_range(divisor_override, 0, INT32_MAX, who + ".divisor_override");
  const Extent x = image(h, w);
  check_windows(window_output(window, 0, h, ceil_mode), window_output(window, 1, w, ceil_mode), who);
  return avg_pool2d_divisors(x, window, ceil_mode, count_include_pad, divisor_override);
}

std::vector<int64_t> adaptive_divisors(int64_t h, int64_t w, std::array<int64_t, 2> out) {
  for (int64_t o : out) require_range(o, 1, kMaxWindow, "adaptive_avg_pool2d_divisors.out");
  const Extent x = image(h, w);
  check_windows(out[0], out[1], "adaptive_avg_pool2d_divisors");
  return adaptive_avg_pool2d_divisors(x, out);
}

py::bytes pack(const py::array& codes, int64_t row, int bits) {
  const auto dense = dense_array<int32_t>(codes, "pack_codes.codes");
  const auto packed = pack_codes({dense.data(), dense.data() + dense.size()}, row, bits);
  return {reinterpret_cast<const char*>(packed.data()), packed.size()};
}

}  // namespace

void bind_numbers(py::module_& m) {
  py::class_<PyFloatEnv>(
      m, "FloatEnv",
      "Within `with FloatEnv():` this thread rounds to nearest and keeps subnormals, whatever\n"
      "fesetround or torch.set_flush_denormal have set; afterwards their modes are back.")
      .def(py::init<>())
      .def("__enter__", &PyFloatEnv::enter)
      .def("__exit__", &PyFloatEnv::exit);
  m.def(
      "choose_qparams",
      [](double min, double max, int num_bits) {
        const QParams q = choose_qparams(min, max, num_bits);
        return std::pair(static_cast<double>(q.scale), q.zero_point);
      },
      py::arg("min"), py::arg("max"), py::arg("num_bits") = 8,
      R"(Affine scale and zero point of the range [min, max], widened to hold 0.

Returns (scale, zero_point): scale has exactly a float32's value, zero_point lies in 0..2^num_bits - 1.
ValueError for NaN, infinity, num_bits outside 2..8 and a scale above 2^100.
Example: choose_qparams(-1.0, 1.0) == (0.007843137718737125, 128).
Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 2.1.)");
  m.def(
      "quantize_multiplier",
      [](double M) {
        const Multiplier q = quantize_multiplier(M);
        return std::pair(q.multiplier, q.shift);
      },
      py::arg("M"),
      R"(Nearest multiplier * 2**-shift of a positive factor, 2 <= shift <= 54.

Returns (multiplier, shift), 2**30 <= multiplier < 2**31 (smaller only at shift 54).
ValueError for a negative or non-finite M and for M >= 2**29.
Example: quantize_multiplier(0.75) == (1610612736, 31). Source: Jacob et al. 2018, section 2.2.)");
  m.def(
      "quantize_add",
      [](double a, double b) {
        const AddMultipliers q = quantize_add(a, b);
        return std::tuple(q.a, q.b, q.shift);
      },
      py::arg("a"), py::arg("b"),
      "(multiplier_a, multiplier_b, shift) of a sum; a, b are s_i / s_y, b negative for a difference.");
  m.def(
      "quantize_affine",
      [](double gain, double offset, double x_scale, int64_t x_zero_point, int64_t x_bits, double y_scale,
         int64_t y_zero_point, int64_t y_bits) {
        const AffineMultiplier q = quantize_affine(gain, offset, checked(x_scale, x_zero_point, x_bits, "x"),
                                                   checked(y_scale, y_zero_point, y_bits, "y"));
        return std::tuple(q.multiplier, q.offset, q.shift);
      },
      py::arg("gain"), py::arg("offset"), py::arg("x_scale"), py::arg("x_zero_point"), py::arg("x_bits"),
      py::arg("y_scale"), py::arg("y_zero_point"), py::arg("y_bits"),
      "(multiplier, offset, shift) of one channel; gain = g s_x / s_y, offset = (beta - mean g) / s_y with\n"
      "g = gamma / sqrt(var + eps).");
  m.def("avg_pool2d_divisors", &avg_divisors, py::arg("h"), py::arg("w"), py::arg("kernel"),
        py::arg("stride"), py::arg("padding"), py::arg("ceil_mode"), py::arg("count_include_pad"),
        py::arg("divisor_override"),
        "The divisors that occur in an average pool, ascending; padding is top, left, bottom, right;\n"
        "divisor_override 0 means torch's own divisor.");
  m.def("adaptive_avg_pool2d_divisors", &adaptive_divisors, py::arg("h"), py::arg("w"), py::arg("out"),
        "The divisors that occur in an adaptive average pool to `out`, ascending.");
  m.def("pack_codes", &pack, py::arg("codes"), py::arg("row"), py::arg("bits"),
        "Codes (int32) of 2..7 bits as a frozen file stores them: rows of `row` codes, low bits first, each\n"
        "row padded to a byte.");
  m.def("set_num_threads", &set_num_threads, py::arg("n"), "Threads that icepoint may use, 1..256.");
  m.def("get_num_threads", &num_threads, "Threads that icepoint may use.");
  m.def(
      "isa", [] { return std::string(kernels().name); }, "The instruction set in use.");
  m.def("isas", &isas, "The instruction sets that this build has and this CPU can run.");
}

}  // namespace icepoint::ops
