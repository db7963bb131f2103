// icepoint._C, what observers gather: extremes and counts of float32 arrays.
#include "core/histogram.h"
#include "ops/arrays.h"
#include "ops/module.h"

namespace icepoint::ops {
namespace {

using Floats = py::array_t<float>;

Values values_of(const py::array& x, const Floats& dense, const std::string& who) {
  require(x.ndim() == 3, who, ": expected (images, channels, size), found rank ", x.ndim());
  return {dense.data(), x.shape(0), x.shape(1), x.shape(2)};
}

std::pair<Floats, Floats> extremes_of(const py::array& x) {
  const std::string who = "extremes.x";
  const auto dense = dense_array<float>(x, who);
  const Values values = values_of(x, dense, who);
  require(values.size > 0, who, ": expected values, found an empty array");
  const Shape shape{values.images, values.channels};
  auto low = new_array<float>(shape), high = new_array<float>(shape);
  float *l = low.mutable_data(), *h = high.mutable_data();
  {
    const py::gil_scoped_release release;
    extremes(values, l, h);
  }
  return {low, high};
}

/// The elements of an array that is written in place: of T, dense, of this shape.
template <class T>
T* written(py::array& a, const Shape& shape, const std::string& who) {
  require(a.dtype().equal(py::dtype::of<T>()) && (a.flags() & py::array::c_style) && a.writeable(), who,
          ": expected a dense writable array of ", std::string(py::str(py::dtype::of<T>())));
  require(shape_of(a) == shape, who, ": its shape is not that of the other arguments");
  return static_cast<T*>(a.mutable_data());
}

void count(const py::array& x, const py::array& exponents, py::array counts, py::array zeros) {
  const std::string who = "count_bins";
  const auto dense = dense_array<float>(x, who + ".x");
  const Values values = values_of(x, dense, who + ".x");
  require(counts.ndim() == 2, who, ".counts: expected (channels, 2 side), found rank ", counts.ndim());
  const int64_t side = counts.shape(1) / 2;
  require_range(side, 1, int64_t{1} << 20, who + ".counts: side");
  const auto exponent = dense_array<int32_t>(exponents, who + ".exponents");
  require(shape_of(exponents) == Shape{values.channels}, who, ".exponents: expected one a channel");
  for (int64_t c = 0; c < values.channels; ++c)
    require_range(exponent.data()[c], -149, 128, who + ".exponents");
  auto* to = written<int64_t>(counts, {values.channels, 2 * side}, who + ".counts");
  auto* none = written<int64_t>(zeros, {values.channels}, who + ".zeros");
  bool inside = false;
  {
    const py::gil_scoped_release release;
    inside = count_bins(values, exponent.data(), side, to, none);
  }
  require(inside, who, ".x: found a value outside the bins");
}

}  // namespace

void bind_statistics(py::module_& m) {
  m.def("extremes", &extremes_of, py::arg("x"),
        "(low, high), float32 (images, channels), of a float32 array (images, channels, size). Both are\n"
        "NaN where a value is.");
  m.def("count_bins", &count, py::arg("x"), py::arg("exponents"), py::arg("counts"), py::arg("zeros"),
        R"(Counts float32 values (images, channels, size) into bins of width 2**exponents[c], in place.

counts (channels, 2 side) and zeros (channels) are int64; bin side + i of a channel holds
[i, i + 1) * 2**exponents[c], and exact zeros go to `zeros` alone. ValueError for a value outside the bins.)");
}

}  // namespace icepoint::ops
