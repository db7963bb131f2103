// What a frozen model is: values, operators in order, and the tensors that they own.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/qparams.h"
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

// The operators. Each lists its fields once, in fields(v), which reader, writer and printer walk:
//   v("name", integer or array or bool)   goes to the header's JSON
//   v("name", tensor)                     is the file's tensor "<operator name>.<field name>"
//   v.optional("name", tensor)            may be absent
// Every operator has one output. lo, hi are the output's code range, narrowed by a fused activation.

/// Weights of a convolution or linear layer and how its accumulators become codes.
struct Weights {
  int64_t bits = 8;          // 2..8
  bool affine = false;       // false: symmetric, zero_point absent, codes int8 in +-(2^(bits-1) - 1)
                             // true: codes 0..2^bits - 1, zero_point (1) or (oc)
  Tensor weight;             // 8 bits: I8 (U8 if affine), the operator's shape; fewer: U8 (rows, bytes),
                             // each row (first dimension) packed little-endian, low bits first, padded with 0
  Tensor weight_scale;       // F32 (1) or (oc): for people and reports, replay does not read it
  Tensor weight_zero_point;  // I32
  Tensor bias;               // I32 (oc), scale s_x * s_w[c]
  Tensor multiplier, shift;  // I32 (1) or (oc)

  template <class V>
  void fields(V& v) {
    v("weight_bits", bits);
    v("weight_affine", affine);
    v("weight", weight);
    v("weight_scale", weight_scale);
    v.optional("weight_zero_point", weight_zero_point);
    v.optional("bias", bias);
    v("multiplier", multiplier);
    v("shift", shift);
  }
};

struct QConv2d {
  static constexpr const char* op = "qconv2d";
  Weights weights;  // (oc, ic / groups, kh, kw)
  std::array<int64_t, 2> kernel_size{1, 1}, stride{1, 1}, dilation{1, 1};
  std::array<int64_t, 4> padding{0, 0, 0, 0};  // top, left, bottom, right
  int64_t groups = 1, out_channels = 0, lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("out_channels", out_channels);
    v("kernel_size", kernel_size);
    v("stride", stride);
    v("padding", padding);
    v("dilation", dilation);
    v("groups", groups);
    weights.fields(v);
    v("lo", lo);
    v("hi", hi);
  }
};

struct QConvTranspose2d {
  static constexpr const char* op = "qconv_transpose2d";
  Weights weights;  // (ic, oc / groups, kh, kw); packed rows are input channels
  std::array<int64_t, 2> kernel_size{1, 1}, stride{1, 1}, dilation{1, 1}, output_padding{0, 0};
  std::array<int64_t, 4> padding{0, 0, 0, 0};
  int64_t groups = 1, out_channels = 0, lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("out_channels", out_channels);
    v("kernel_size", kernel_size);
    v("stride", stride);
    v("padding", padding);
    v("output_padding", output_padding);
    v("dilation", dilation);
    v("groups", groups);
    weights.fields(v);
    v("lo", lo);
    v("hi", hi);
  }
};

struct QLinear {
  static constexpr const char* op = "qlinear";
  Weights weights;  // (out_features, in_features); acts on the last axis of a rank 1 or 2 value
  int64_t out_features = 0, lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("out_features", out_features);
    weights.fields(v);
    v("lo", lo);
    v("hi", hi);
  }
};

struct QAffine {
  static constexpr const char* op = "qaffine";
  Tensor multiplier, offset, shift;  // I32 (c): channels are axis 0 of rank 3 and 1, axis 1 of rank 2
  int64_t lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("multiplier", multiplier);
    v("offset", offset);
    v("shift", shift);
    v("lo", lo);
    v("hi", hi);
  }
};

struct Clamp {  // relu, relu6, hardtanh; the input's qparams are kept
  static constexpr const char* op = "clamp";
  int64_t lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("lo", lo);
    v("hi", hi);
  }
};

struct Lookup {  // any unary function
  static constexpr const char* op = "lookup";
  std::string function;  // for people: "sigmoid"; letters, digits, _ and - only, up to 64
  Tensor table;          // U8 (256) or (c, 256)
  template <class V>
  void fields(V& v) {
    v("function", function);
    v("table", table);
  }
};

struct QMaxPool2d {
  static constexpr const char* op = "qmax_pool2d";
  std::array<int64_t, 2> kernel_size{1, 1}, stride{1, 1}, dilation{1, 1};
  std::array<int64_t, 4> padding{0, 0, 0, 0};
  bool ceil_mode = false;
  template <class V>
  void fields(V& v) {
    v("kernel_size", kernel_size);
    v("stride", stride);
    v("padding", padding);
    v("dilation", dilation);
    v("ceil_mode", ceil_mode);
  }
};

struct QAvgPool2d {
  static constexpr const char* op = "qavg_pool2d";
  std::array<int64_t, 2> kernel_size{1, 1}, stride{1, 1};
  std::array<int64_t, 4> padding{0, 0, 0, 0};
  bool ceil_mode = false, count_include_pad = true;
  int64_t divisor_override = 0;        // 0: torch's divisor
  Tensor divisors, multiplier, shift;  // I32 (k), divisors ascending
  int64_t lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("kernel_size", kernel_size);
    v("stride", stride);
    v("padding", padding);
    v("ceil_mode", ceil_mode);
    v("count_include_pad", count_include_pad);
    v("divisor_override", divisor_override);
    v("divisors", divisors);
    v("multiplier", multiplier);
    v("shift", shift);
    v("lo", lo);
    v("hi", hi);
  }
};

struct QAdaptiveAvgPool2d {  // output_size (1, 1): global average, mean over H and W
  static constexpr const char* op = "qadaptive_avg_pool2d";
  std::array<int64_t, 2> output_size{1, 1};
  Tensor divisors, multiplier, shift;
  int64_t lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("output_size", output_size);
    v("divisors", divisors);
    v("multiplier", multiplier);
    v("shift", shift);
    v("lo", lo);
    v("hi", hi);
  }
};

struct QAdd {  // a negative b_multiplier subtracts
  static constexpr const char* op = "qadd";
  int64_t a_multiplier = 0, b_multiplier = 0, shift = 1, lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("a_multiplier", a_multiplier);
    v("b_multiplier", b_multiplier);
    v("shift", shift);
    v("lo", lo);
    v("hi", hi);
  }
};

struct QMul {
  static constexpr const char* op = "qmul";
  int64_t multiplier = 0, shift = 54, lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("multiplier", multiplier);
    v("shift", shift);
    v("lo", lo);
    v("hi", hi);
  }
};

struct QConcat {  // an input with exactly the output's qparams and the full lo..hi moves unchanged
  static constexpr const char* op = "qconcat";
  int64_t axis = 0;          // logical axis without the batch: 0 is the channels
  Tensor multiplier, shift;  // I32 (number of inputs)
  int64_t lo = 0, hi = 255;
  template <class V>
  void fields(V& v) {
    v("axis", axis);
    v("multiplier", multiplier);
    v("shift", shift);
    v("lo", lo);
    v("hi", hi);
  }
};

struct Slice {  // strided too; a chunk is a slice
  static constexpr const char* op = "slice";
  int64_t axis = 0, start = 0, stop = 0, step = 1;  // 0 <= start < stop <= size, step >= 1
  template <class V>
  void fields(V& v) {
    v("axis", axis);
    v("start", start);
    v("stop", stop);
    v("step", step);
  }
};

struct PermuteChannels {  // y[c] = x[order[c]]: channel shuffle
  static constexpr const char* op = "permute_channels";
  Tensor order;  // I32 (c), a permutation
  template <class V>
  void fields(V& v) {
    v("order", order);
  }
};

struct Reshape {  // flatten too; logical order, without the batch, rank 1..3
  static constexpr const char* op = "reshape";
  Shape shape;
  template <class V>
  void fields(V& v) {
    v("shape", shape);
  }
};

struct Pad {
  static constexpr const char* op = "pad";
  std::string mode = "constant";               // constant, reflect, replicate
  std::array<int64_t, 4> padding{0, 0, 0, 0};  // top, left, bottom, right
  std::array<int64_t, 2> channels{0, 0};       // before, after; constant mode only
  int64_t value = 0;                           // a code: quantize(v), the zero point for 0
  template <class V>
  void fields(V& v) {
    v("mode", mode);
    v("padding", padding);
    v("channels", channels);
    v("value", value);
  }
};

struct UpsampleNearest {
  static constexpr const char* op = "upsample_nearest";
  std::array<int64_t, 2> output_size{1, 1};
  template <class V>
  void fields(V& v) {
    v("output_size", output_size);
  }
};

struct UpsampleBilinear {
  static constexpr const char* op = "upsample_bilinear";
  std::array<int64_t, 2> output_size{1, 1};
  bool align_corners = false;
  template <class V>
  void fields(V& v) {
    v("output_size", output_size);
    v("align_corners", align_corners);
  }
};

using Op = std::variant<QConv2d, QConvTranspose2d, QLinear, QAffine, Clamp, Lookup, QMaxPool2d, QAvgPool2d,
                        QAdaptiveAvgPool2d, QAdd, QMul, QConcat, Slice, PermuteChannels, Reshape, Pad,
                        UpsampleNearest, UpsampleBilinear>;

/// One operator. Values are numbered: the graph's inputs first, then the output of each node in
/// order; inputs[i] is such a number and always smaller than the node's own.
struct Node {
  std::string name;  // unique; prefix of its tensors' names
  Op op;
  std::vector<int64_t> inputs;
  std::optional<QParams> y;  // absent for operators that keep their input's qparams
};

struct Input {
  std::string name;
  Shape shape;  // (c, h, w), (t, f) or (f)
  QParams q;
};

struct Graph {
  std::vector<Input> inputs;
  std::vector<Node> nodes;
  std::vector<int64_t> outputs;  // value numbers

  int64_t value_count() const { return static_cast<int64_t>(inputs.size() + nodes.size()); }
};

inline const char* op_name(const Op& op) {
  return std::visit([](const auto& o) { return o.op; }, op);
}

}  // namespace icepoint
