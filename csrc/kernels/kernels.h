// What one CPU does: every kernel's contract, gathered in one table per instruction set.
//
// All activations are dense uint8 in (n, h, w, c) order. A kernel never allocates, throws, locks or
// looks at a shape it was not given; the layer above has checked everything. A kernel computes the
// rows begin..end of its output and no other byte, so threads split rows freely. Two tables are
// right when every output byte is equal: the meaning is reference/, and docs/numerics.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/shape.h"

namespace icepoint {

/// Output rule of one tensor: clamp(zero_point + requantize(acc), lo, hi) with one pair per channel.
struct Requant {
  const int32_t* multiplier;   // (oc)
  const int32_t* shift;        // (oc), 2..54
  int32_t zero_point, lo, hi;  // all in 0..255
};

/// Geometry of a convolution (h, w, oh, ow for one image; ic, oc whole, not per group).
struct Conv2dGeometry {
  int64_t h, w, ic, oh, ow, oc;
  Window window;
  int64_t groups = 1;
};

/// One convolution call. Output rows are the n * oh image rows; padding reads as x_zero_point.
struct Conv2dArgs {
  const Conv2dGeometry* g;
  const uint8_t* x;        // (n, h, w, ic)
  const void* weight;      // conv2d_pack's output of the same table
  const int32_t* bias;     // (oc), zeros where the layer has none
  const Requant* requant;  // null: y is int32 accumulators
  void* y;                 // (n, oh, ow, oc) uint8 or int32
  int32_t x_zero_point;
  int64_t begin, end;  // rows of n * oh
};

/// y = Q(bias + (x - zx) w'^T); rows of x are samples.
struct LinearArgs {
  const uint8_t* x;        // (rows, in)
  const void* weight;      // linear_pack's output of the same table
  const int32_t* bias;     // (out)
  const Requant* requant;  // null: y is int32
  void* y;                 // (rows, out) uint8 or int32
  int64_t in, out;
  int32_t x_zero_point;
  int64_t row_begin, row_end;  // samples
  int64_t out_begin, out_end;  // output features: at batch 1 threads split these
};

/// Transposed convolution, as a gather: the output pixel (oy, ox) sums the inputs iy with
/// iy * stride + ky * dilation - pad_top == oy. g->h, g->w are the input's, oh, ow the output's.
/// Weight (ic, kh, kw, oc / groups), centred int16, unpacked.
struct ConvTranspose2dArgs {
  const Conv2dGeometry* g;
  const uint8_t* x;
  const int16_t* weight;
  const int32_t* bias;
  const Requant* requant;  // never null
  uint8_t* y;
  int32_t x_zero_point;
  int64_t begin, end;  // rows of n * oh
};

/// Windows of a pool, per axis: output i covers inputs begin[i] + j * step, j < count[i], all inside
/// the input (padding has been cut away, and a window is never empty).
struct PoolAxis {
  const int32_t* begin;
  const int32_t* count;
  int32_t step;
};

struct MaxPool2dArgs {
  const uint8_t* x;  // (n, h, w, c)
  uint8_t* y;        // (n, oh, ow, c)
  int64_t h, w, c, oh, ow;
  PoolAxis rows, cols;
  int64_t begin, end;  // rows of n * oh
};

/// Q(sum of the t taps - t zx); the divisor is inside the multiplier that which[oy * ow + ox] names.
struct AvgPool2dArgs {
  const uint8_t* x;
  uint8_t* y;
  int64_t h, w, c, oh, ow;
  PoolAxis rows, cols;   // step 1; at most 2^23 taps
  const int32_t* which;  // (oh * ow) index into multiplier, shift
  const int32_t* multiplier;
  const int32_t* shift;
  int32_t x_zero_point, y_zero_point, lo, hi;
  int64_t begin, end;  // rows of n * oh
};

/// Elementwise over n * pixels * c; b is (n, pixels, c), or (n, 1, c) where b_pixels == 1.
struct AddArgs {
  const uint8_t *a, *b;
  uint8_t* y;
  int64_t pixels, b_pixels, c;
  int32_t a_zero_point, a_multiplier, b_zero_point, b_multiplier, shift;
  int32_t y_zero_point, lo, hi;
  int64_t begin, end;  // images
};
struct MulArgs {
  const uint8_t *a, *b;
  uint8_t* y;
  int64_t pixels, b_pixels, c;
  int32_t a_zero_point, b_zero_point, multiplier, shift;
  int32_t y_zero_point, lo, hi;
  int64_t begin, end;  // images
};

/// clamp(zy + ((x - zx) m + b + 2^(s-1) >> s)), m, b, s per channel; rows are pixels.
struct AffineArgs {
  const uint8_t* x;
  uint8_t* y;
  const int32_t *multiplier, *offset, *shift;  // (c)
  int64_t c;
  int32_t x_zero_point, y_zero_point, lo, hi;
  int64_t begin, end;  // pixels
};

/// y = table[x]; table (256) or, per channel, (c, 256). rows are pixels.
struct LookupArgs {
  const uint8_t* x;
  uint8_t* y;
  const uint8_t* table;
  bool per_channel;
  int64_t c;
  int64_t begin, end;  // pixels
};

/// min(max(x, lo), hi) over bytes begin..end.
struct ClampArgs {
  const uint8_t* x;
  uint8_t* y;
  int32_t lo, hi;
  int64_t begin, end;
};

/// Bilinear up-sampling: y = (sum of four x wy wx + 2^21) >> 22; per axis the lower source index,
/// and the weight of the upper one (index + 1, never read where the weight is 0), 0..2^11.
struct UpsampleBilinearArgs {
  const uint8_t* x;
  uint8_t* y;
  int64_t h, w, c, oh, ow;
  const int32_t *row_index, *row_weight;  // (oh)
  const int32_t *col_index, *col_weight;  // (ow)
  int64_t begin, end;                     // rows of n * oh
};

/// clamp(rne(x / scale) + zero_point, lo, hi) over elements begin..end; NaN gives zero_point, which
/// lies in -255..255. The caller holds a FloatEnv. y is uint8, or int8 where lo < 0.
struct QuantizeArgs {
  const float* x;
  void* y;
  float scale;
  int32_t zero_point, lo, hi;
  int64_t begin, end;
};

struct Kernels {
  const char* name;

  /// Packed weights: bytes needed, then the packing itself; weight (oc, kh, kw, ic / groups) or
  /// (out, in), centred (w - zw, in -255..255). `packed` is 64-byte aligned.
  size_t (*conv2d_packed_size)(const Conv2dGeometry&);
  void (*conv2d_pack)(const Conv2dGeometry&, const int16_t* weight, void* packed);
  void (*conv2d)(const Conv2dArgs&);

  size_t (*linear_packed_size)(int64_t in, int64_t out);
  void (*linear_pack)(int64_t in, int64_t out, const int16_t* weight, void* packed);
  void (*linear)(const LinearArgs&);

  void (*conv_transpose2d)(const ConvTranspose2dArgs&);
  void (*max_pool2d)(const MaxPool2dArgs&);
  void (*avg_pool2d)(const AvgPool2dArgs&);
  void (*add)(const AddArgs&);
  void (*mul)(const MulArgs&);
  void (*affine)(const AffineArgs&);
  void (*lookup)(const LookupArgs&);
  void (*clamp)(const ClampArgs&);
  void (*upsample_bilinear)(const UpsampleBilinearArgs&);
  void (*quantize)(const QuantizeArgs&);
};

}  // namespace icepoint
