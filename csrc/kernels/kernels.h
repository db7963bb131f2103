// What one CPU does: every kernel's contract, gathered in one table per instruction set.
//
// Activations are uint8, channels last, at the pitches that a View names. A kernel never throws, locks or
// looks at a shape it was not given; the layer above has checked everything. It has no memory of its own but
// some 100 KB of stack and thread_scratch(); packing, which is no part of a run, may allocate. A kernel
// computes the rows begin..end of its output and no other byte, so threads split rows freely. Two tables
// are right when every output byte is equal: the meaning is reference/, and docs/numerics.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/shape.h"

namespace icepoint {

/// Bytes behind the last pixel of a View that a kernel may read; it never uses what lies there.
inline constexpr int64_t kSlack = 64;

/// Where a value lies: pixel (y, x) of image i begins at data + i * image + y * row + x * pixel, all in
/// bytes, and its channels are neighbours.
template <class Byte>
struct Strided {
  Byte* data = nullptr;
  int64_t image = 0, row = 0, pixel = 0;

  Byte* at(int64_t i, int64_t y, int64_t x) const { return data + i * image + y * row + x * pixel; }
};
using View = Strided<const uint8_t>;
using Output = Strided<uint8_t>;

/// Output rule of one tensor: clamp(zero_point + requantize(acc), lo, hi) with one pair per channel.
struct Requant {
  const int32_t* multiplier;   // (oc)
  const int32_t* shift;        // (oc), 2..54
  int32_t zero_point, lo, hi;  // all in 0..255
};

/// An addition behind the requantization, with q the convolution's own code:
/// clamp(zy + ((q - zq) mq + (x - zx) mx + 2^(shift-1) >> shift), lo, hi), int32 throughout.
struct Residual {
  int32_t q_multiplier, x_zero_point, x_multiplier, shift;  // zq is the Requant's zero_point
  int32_t y_zero_point, lo, hi;
};

/// Geometry of a convolution (h, w, oh, ow for one image; ic, oc whole, not per group).
struct Conv2dGeometry {
  int64_t h, w, ic, oh, ow, oc;
  Window window;
  int64_t groups = 1;
};

/// What centred weights w' = w - zw need: a byte (-128..127), four bits (w' + offset in 0..15, one offset a
/// channel), or more than a byte (-255..255).
enum class WeightKind : uint8_t { i8, i4, i16 };

/// Weights on their way into a packed form, one output channel at a time: no centred copy of them all.
class WeightRows {
 public:
  virtual ~WeightRows() = default;
  /// The centred weights of one output channel, (kh, kw, ic / groups).
  virtual void read(int64_t oc, int16_t* row) const = 0;
};

/// All that is constant in a convolution; conv2d_pack takes from it what the kernel needs, and nothing of
/// it is read afterwards. A linear layer is a 1x1 convolution over a row of w samples.
struct Conv2dSpec {
  Conv2dGeometry g;  // h, w, oh, ow may differ from call to call: packing does not depend on them
  int64_t x_pixel;   // the View's pitch, at least ic
  int32_t x_zero_point;
  WeightKind kind;
  const WeightRows* weight;
  const int32_t* offset;     // (oc) for i4, else null
  const int32_t* bias;       // (oc)
  const Requant* requant;    // null: y is int32 accumulators
  const Residual* residual;  // null: none; never without requant
  bool max_pool = false;  // 2x2, stride 2, of the accumulators (exact, for requantization is monotone): y is
                          // (oh / 2, ow / 2); never without requant, never with a residual
};

/// Output channels that threads split a convolution by: every table's panels divide it.
inline constexpr int64_t kOutputBlock = 64;

/// One convolution call. Rows are the n * oh image rows of y (n * (oh / 2) behind a max_pool).
struct Conv2dArgs {
  const Conv2dGeometry* g;
  const void* packed;  // conv2d_pack's output of the same table
  View x;              // its halo holds the zero point: as many pixels as the window reaches beyond h and w
  View residual;       // (n, oh, ow, oc), where the spec has one
  Output y;            // uint8 or int32
  int64_t begin, end;  // rows
  int64_t oc_begin, oc_end;  // multiples of kOutputBlock, or oc
};

/// Transposed convolution, as a gather: the output pixel (oy, ox) sums the inputs iy with
/// iy * stride + ky * dilation - pad_top == oy. g->h, g->w are the input's, oh, ow the output's.
/// Weight (ic, kh, kw, oc / groups), centred int16, unpacked.
struct ConvTranspose2dArgs {
  const Conv2dGeometry* g;
  View x;
  const int16_t* weight;
  const int32_t* bias;
  const Requant* requant;  // never null
  Output y;
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
  View x;
  Output y;
  int64_t c, oh, ow;
  PoolAxis rows, cols;
  int64_t begin, end;  // rows of n * oh
};

/// Q(sum of the t taps - t zx); the divisor is inside the multiplier that which[oy * ow + ox] names.
struct AvgPool2dArgs {
  View x;
  Output y;
  int64_t c, oh, ow;
  PoolAxis rows, cols;   // step 1; at most 2^23 taps
  const int32_t* which;  // (oh * ow) index into multiplier, shift
  const int32_t* multiplier;
  const int32_t* shift;
  int32_t x_zero_point, y_zero_point, lo, hi;
  int64_t begin, end;  // rows of n * oh
};

/// Elementwise over (h, w, c). b's row and pixel pitches are 0 where one value a channel serves all pixels.
struct AddArgs {
  View a, b;
  Output y;
  int64_t h, w, c;
  int32_t a_zero_point, a_multiplier, b_zero_point, b_multiplier, shift;
  int32_t y_zero_point, lo, hi;
  int64_t begin, end;  // rows of n * h
};
struct MulArgs {
  View a, b;
  Output y;
  int64_t h, w, c;
  int32_t a_zero_point, b_zero_point, multiplier, shift;
  int32_t y_zero_point, lo, hi;
  int64_t begin, end;  // rows of n * h
};

/// clamp(zy + ((x - zx) m + b + 2^(s-1) >> s)), m, b, s per channel.
struct AffineArgs {
  View x;
  Output y;
  int64_t h, w, c;
  const int32_t *multiplier, *offset, *shift;  // (c)
  int32_t x_zero_point, y_zero_point, lo, hi;
  int64_t begin, end;  // rows of n * h
};

/// y = table[x]; table (256) or, per channel, (c, 256).
struct LookupArgs {
  View x;
  Output y;
  int64_t h, w, c;
  const uint8_t* table;
  bool per_channel;
  int64_t begin, end;  // rows of n * h
};

/// min(max(x, lo), hi)
struct ClampArgs {
  View x;
  Output y;
  int64_t h, w, c;
  int32_t lo, hi;
  int64_t begin, end;  // rows of n * h
};

/// Bilinear up-sampling: y = (sum of four x wy wx + 2^21) >> 22; per axis the lower source index,
/// and the weight of the upper one (index + 1, never read where the weight is 0), 0..2^11.
struct UpsampleBilinearArgs {
  View x;
  Output y;
  int64_t c, oh, ow;
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

/// A graph's input: floats (n, c, h, w), logical, to codes 0..hi as they lie; the rule of QuantizeArgs.
struct LoadArgs {
  const float* x;
  Output y;
  int64_t h, w, c;
  float scale;
  int32_t zero_point, hi;
  int64_t begin, end;  // rows of n * h
};

/// A graph's output: codes as they lie to floats (n, c, h, w), logical: float32(q - zero_point) * scale.
struct StoreArgs {
  View x;
  float* y;
  int64_t h, w, c;
  float scale;
  int32_t zero_point;
  int64_t begin, end;  // rows of n * h
};

struct Kernels {
  const char* name;

  /// Packed weights: bytes needed, then the packing itself. `packed` is 64-byte aligned.
  size_t (*conv2d_packed_size)(const Conv2dSpec&);
  void (*conv2d_pack)(const Conv2dSpec&, void* packed);
  void (*conv2d)(const Conv2dArgs&);

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
  void (*load)(const LoadArgs&);
  void (*store)(const StoreArgs&);
};

}  // namespace icepoint
