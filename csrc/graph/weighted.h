// The operators that multiply by constants: convolutions, linear layers, a map of each channel.
#pragma once

#include <array>

#include "graph/tensor.h"

namespace icepoint {

// Each operator lists its fields once, in fields(v), which reader, writer and printer walk:
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
  Tensor weight_scale;       // F32 (1) or (oc): for reports; replay reads it for accumulators as outputs
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

}  // namespace icepoint
