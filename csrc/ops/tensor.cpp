// Tensors at the operators' door: dtype, device and layout in words, memory formats, new tensors.
#include "ops/tensor.h"

#include <torch/csrc/stable/ops.h>

#include <new>

#include "core/check.h"

namespace icepoint::ops {
namespace {

// A MemoryError that says how much was asked for.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

std::string dtype_name(int32_t dtype) {
  const std::pair<int32_t, const char*> names[] = {
      {aoti_torch_dtype_uint8(), "uint8"},     {aoti_torch_dtype_int8(), "int8"},
      {aoti_torch_dtype_int16(), "int16"},     {aoti_torch_dtype_int32(), "int32"},
      {aoti_torch_dtype_int64(), "int64"},     {aoti_torch_dtype_bool(), "bool"},
      {aoti_torch_dtype_float16(), "float16"}, {aoti_torch_dtype_bfloat16(), "bfloat16"},
      {aoti_torch_dtype_float32(), "float32"}, {aoti_torch_dtype_float64(), "float64"},
  };
  for (const auto& [code, name] : names)
    if (code == dtype) return name;
  return "another dtype";
}

}  // namespace

int32_t dtype_of(const Tensor& t) {
  int32_t dtype = 0;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_dtype(t.get(), &dtype));
  return dtype;
}

void check_dense_cpu(const Tensor& t, const std::string& who) {
  int32_t layout = 0;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_layout(t.get(), &layout));
  require(layout == aoti_torch_layout_strided(), who, ": is sparse or of another special layout; expected a ",
          "dense (strided) tensor: call to_dense() first");
  require(t.is_cpu(), who, ": lies on another device; icepoint computes on the CPU: call cpu() first");
}

void check_tensor(const Tensor& t, std::initializer_list<int32_t> dtypes, const std::string& who) {
  check_dense_cpu(t, who);
  const int32_t found = dtype_of(t);
  std::string expected;
  for (int32_t dtype : dtypes) {
    if (dtype == found) return;
    expected += (expected.empty() ? "" : " or ") + dtype_name(dtype);
  }
  fail(who, ": is ", dtype_name(found), ", expected ", expected);
}

Shape shape_of(const Tensor& t) {
  const auto sizes = t.sizes();
  return Shape(sizes.begin(), sizes.end());
}

void check_rank(const Tensor& t, int64_t rank, const std::string& meaning, const std::string& who) {
  require(t.dim() == rank, who, ": has shape ", to_string(shape_of(t)), ", expected ", meaning);
}

Order order_of(const Tensor& x) {
  if (x.dim() != 4) return Order::logical;
  const auto size = x.sizes(), stride = x.strides();
  if (stride[1] == 0) return Order::logical;
  int64_t least = 0;
  for (int d : {1, 3, 2, 0}) {
    if (d != 0 && size[d] == 0) return Order::logical;
    if (stride[d] < least) return Order::logical;
    // (n, 1, 1, 1) is both formats: then it is the ordinary one.
    if (d == 0 && least == stride[1]) return Order::logical;
    least = stride[d] * (d != 0 && size[d] > 1 ? size[d] : 1);
  }
  return Order::channels_last;
}

std::vector<Stride> walk(const Tensor& x, Order order) {
  const auto size = x.sizes(), stride = x.strides();
  std::vector<Stride> dims;
  if (order == Order::channels_last && size.size() == 4) {
    for (int d : {0, 2, 3, 1}) dims.push_back({size[d], stride[d]});
  } else {
    for (size_t d = 0; d < size.size(); ++d) dims.push_back({size[d], stride[d]});
  }
  return dims;
}

Tensor new_tensor(const Shape& shape, int32_t dtype, Order order, const std::string& who) {
  namespace th = torch::headeronly;
  const auto count = numel(shape);
  const int64_t element_size = static_cast<int64_t>(aoti_torch_dtype_element_size(dtype));
  require(count && *count <= INT64_MAX / element_size, who, ": an output of shape ", to_string(shape),
          " does not fit an address space");
  const bool channels_last = order == Order::channels_last && shape.size() == 4;
  const auto type = torch::stable::detail::to<th::ScalarType>(torch::stable::detail::from(dtype));
  try {
    return torch::stable::empty(
        {shape.data(), shape.size()}, type, std::nullopt, torch::stable::Device(th::DeviceType::CPU),
        std::nullopt, channels_last ? th::MemoryFormat::ChannelsLast : th::MemoryFormat::Contiguous);
  } catch (const std::runtime_error&) {  // with checked arguments only the memory can be missing
    throw OutOfMemory(who + ": no memory for an output of shape " + to_string(shape));
  }
}

}  // namespace icepoint::ops
