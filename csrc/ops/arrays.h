// NumPy arrays at the Python module's door: dtype checks, copies, batches. pybind11, no torch.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <map>
#include <string>
#include <vector>

#include "core/check.h"
#include "graph/graph.h"

namespace icepoint::ops {

namespace py = pybind11;

template <class T>
py::array_t<T> new_array(const Shape& shape) {
  return py::array_t<T>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

inline Shape shape_of(const py::array& a) {
  return Shape(a.shape(), a.shape() + a.ndim());
}

/// `a` as a C-contiguous array of T, copied where it is strided. Another dtype is refused, not converted.
template <class T>
py::array_t<T> dense_array(const py::array& a, const std::string& who) {
  require(a.dtype().equal(py::dtype::of<T>()), who, ": is ", std::string(py::str(a.dtype())), ", expected ",
          std::string(py::str(py::dtype::of<T>())));
  return py::array_t<T, py::array::c_style>::ensure(a);
}

/// A copy of an int8, uint8, int32 or float32 array.
inline Tensor tensor_from(const py::array& a, const std::string& who) {
  const auto copy = [&](auto element) {
    using T = decltype(element);
    const auto dense = dense_array<T>(a, who);
    return make_tensor(std::vector<T>(dense.data(), dense.data() + dense.size()), shape_of(a));
  };
  if (a.dtype().equal(py::dtype::of<int8_t>())) return copy(int8_t{});
  if (a.dtype().equal(py::dtype::of<uint8_t>())) return copy(uint8_t{});
  if (a.dtype().equal(py::dtype::of<int32_t>())) return copy(int32_t{});
  if (a.dtype().equal(py::dtype::of<float>())) return copy(float{});
  fail(who, ": is ", std::string(py::str(a.dtype())), ", expected int8, uint8, int32 or float32");
}

/// A copy of a tensor.
inline py::array array_from(const Tensor& t) {
  const auto copy = [&](auto element) -> py::array {
    using T = decltype(element);
    auto out = new_array<T>(t.shape);
    if (t.count() > 0)
      std::memcpy(out.mutable_data(), t.data.get(), static_cast<size_t>(t.count()) * sizeof(T));
    return out;
  };
  switch (t.dtype) {
    case DType::i8:
      return copy(int8_t{});
    case DType::u8:
      return copy(uint8_t{});
    case DType::i32:
      return copy(int32_t{});
    case DType::f32:
      break;
  }
  return copy(float{});
}

}  // namespace icepoint::ops
