// The constants of a frozen model, as its file holds them.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "core/shape.h"

namespace icepoint {

enum class DType { i8, u8, i32, f32 };
inline int64_t size_of(DType t) {
  return t == DType::i32 || t == DType::f32 ? 4 : 1;
}
inline const char* name_of(DType t) {  // safetensors' names
  return t == DType::i8 ? "I8" : t == DType::u8 ? "U8" : t == DType::i32 ? "I32" : "F32";
}

/// A constant: little-endian elements, kept alive by `data` (often a view into the whole file).
/// An absent tensor has data == nullptr.
struct Tensor {
  DType dtype = DType::u8;
  Shape shape;
  std::shared_ptr<const uint8_t> data;

  explicit operator bool() const { return data != nullptr; }
  int64_t count() const { return numel(shape).value_or(0); }
  template <class T>
  std::span<const T> as() const {  // the reader guarantees the alignment
    return {reinterpret_cast<const T*>(data.get()), static_cast<size_t>(count())};
  }
};

/// A tensor that owns a copy of `values`.
template <class T>
Tensor make_tensor(const std::vector<T>& values, Shape shape) {
  static_assert(sizeof(T) == 1 || sizeof(T) == 4);
  Tensor t;
  if constexpr (std::is_same_v<T, float>)
    t.dtype = DType::f32;
  else
    t.dtype = sizeof(T) == 4 ? DType::i32 : std::is_signed_v<T> ? DType::i8 : DType::u8;
  std::shared_ptr<uint8_t> bytes(new uint8_t[values.size() * sizeof(T) + 1],
                                 std::default_delete<uint8_t[]>());
  if (!values.empty()) std::memcpy(bytes.get(), values.data(), values.size() * sizeof(T));
  t.shape = std::move(shape);
  t.data = std::move(bytes);
  return t;
}

}  // namespace icepoint
