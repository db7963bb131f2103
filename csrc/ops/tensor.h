// Tensors at the operators' door: their checks, their elements in a wanted order, their outputs.
//
// A tensor may arrive as any view (channels_last, expanded, sliced); kernels want dense elements, in
// most operators in (n, h, w, c) order, and a caller wants the memory format that he came with.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/shape.h"
#include "ops/strided.h"

namespace icepoint::ops {

using torch::stable::Tensor;  // of hidden visibility, and so must be whatever holds one

/// torch's code of the dtype of T.
template <class T>
int32_t dtype_of();
template <>
inline int32_t dtype_of<uint8_t>() {
  return aoti_torch_dtype_uint8();
}
template <>
inline int32_t dtype_of<int8_t>() {
  return aoti_torch_dtype_int8();
}
template <>
inline int32_t dtype_of<int32_t>() {
  return aoti_torch_dtype_int32();
}
template <>
inline int32_t dtype_of<float>() {
  return aoti_torch_dtype_float32();
}

/// torch's code of the tensor's dtype.
int32_t dtype_of(const Tensor& t);

/// Requires a strided (not sparse) tensor on the CPU; `who` opens the message: "qconv2d.weight".
void check_dense_cpu(const Tensor& t, const std::string& who);
/// The same, and one of these dtypes.
void check_tensor(const Tensor& t, std::initializer_list<int32_t> dtypes, const std::string& who);

Shape shape_of(const Tensor& t);
void check_rank(const Tensor& t, int64_t rank, const std::string& meaning, const std::string& who);

/// logical: the last dimension is the fastest. channels_last: (n, c, h, w) lies as (n, h, w, c).
enum class Order { logical, channels_last };

/// The memory format of `x` by its strides: torch's own rule, except that the batch size decides
/// nothing, so that a symbolic N needs no guard and an empty batch keeps the format.
Order order_of(const Tensor& x);

/// Sizes and strides, outermost first, of a walk in `order`.
std::vector<Stride> walk(const Tensor& x, Order order);

/// The elements of a tensor, dense in one order: its own memory where it lies so, else a copy.
template <class T>
class [[gnu::visibility("hidden")]] Dense {
 public:
  Dense(const Tensor& x, Order order) : tensor_(x), count_(static_cast<size_t>(x.numel())) {
    const std::vector<Stride> dims = walk(x, order);
    data_ = static_cast<const T*>(x.const_data_ptr());
    if (count_ == 0 || is_dense(dims)) return;
    copy_ = std::make_unique_for_overwrite<T[]>(count_);
    copy_strided(data_, dims, sizeof(T), copy_.get());
    data_ = copy_.get();
  }
  const T* data() const {
    return data_;
  }
  std::span<const T> span() const {
    return {data_, count_};
  }

 private:
  Tensor tensor_;  // keeps the memory alive
  size_t count_;
  std::unique_ptr<T[]> copy_;
  const T* data_;
};

/// A new tensor of T. Throws std::invalid_argument where its size does not fit int64 and
/// std::bad_alloc (MemoryError) where there is no memory for it.
Tensor new_tensor(const Shape& shape, int32_t dtype, Order order, const std::string& who);

/// An output that kernels fill in the order `computed` and that take() hands over in `wanted`.
template <class T>
class [[gnu::visibility("hidden")]] Output {
 public:
  Output(const Shape& shape, Order computed, Order wanted, const std::string& who)
      : tensor_(new_tensor(shape, dtype_of<T>(), wanted, who)), shape_(shape), wanted_(wanted) {
    data_ = static_cast<T*>(tensor_.mutable_data_ptr());
    if (computed == wanted || tensor_.numel() == 0 || is_dense(walk(tensor_, computed))) return;
    scratch_ = std::make_unique_for_overwrite<T[]>(static_cast<size_t>(tensor_.numel()));
    data_ = scratch_.get();
  }
  T* data() {
    return data_;
  }

  Tensor take() {
    if (scratch_) {
      // Orders differ only in rank 4. Where channels_last is wanted the scratch is (n, c, h, w).
      const int64_t n = shape_[0], c = shape_[1], hw = shape_[2] * shape_[3];
      const std::vector<Stride> to_nhwc{{n, c * hw}, {hw, 1}, {c, hw}}, to_nchw{{n, c * hw}, {c, 1}, {hw, c}};
      const auto& dims = wanted_ == Order::channels_last ? to_nhwc : to_nchw;
      copy_strided(scratch_.get(), dims, sizeof(T), tensor_.mutable_data_ptr());
    }
    return std::move(tensor_);
  }

 private:
  Tensor tensor_;
  Shape shape_;
  Order wanted_;
  std::unique_ptr<T[]> scratch_;
  T* data_;
};

}  // namespace icepoint::ops
