// The operators of a frozen model: those of weighted.h, functions, pools, sums, moves.
#pragma once

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "graph/tensor.h"
#include "graph/weighted.h"

namespace icepoint {

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

}  // namespace icepoint
