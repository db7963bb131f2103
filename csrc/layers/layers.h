// Factories of every layer: the door between checked descriptions and kernels.
//
// Arguments have been checked by the caller (an op, or the graph's validator); here are only
// asserts. Arrays are read during the call and not kept. `x`, `y` extents are of one image.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "core/qparams.h"
#include "core/shape.h"
#include "kernels/kernels.h"
#include "layers/layer.h"
#include "layers/weights.h"

namespace icepoint {

/// Code range of an output, narrowed by a fused activation, and its zero point.
struct OutputRange {
  int32_t zero_point = 0, lo = 0, hi = 255;
};

/// Per-channel requantization: multiplier and shift of length 1 or oc.
struct ChannelRequant {
  std::span<const int32_t> multiplier, shift;
  OutputRange out;
};

/// What a convolution does beside convolving, and how its input lies.
struct ConvFusion {
  int64_t x_pixel = 0;               // pitch of the input's pixels; 0: dense
  std::optional<Residual> residual;  // xs[1] is added behind the requantization
  bool max_pool = false;             // 2x2, stride 2: y is (oh / 2, ow / 2)
};

/// What make_qconv2d's layer reads around x: none where the padding is out of all proportion to the image,
/// which is then never read.
Halo conv2d_halo(Extent x, const Window&);

/// codes - zero_point as int16, channel-major; `per_channel` consecutive codes share a zero point.
std::vector<int16_t> centre(std::span<const int8_t> codes, std::span<const int32_t> zero_point,
                            int64_t channels);

/// Rows are (kh, kw, ic / groups). Without requant y is int32.
LayerPtr make_qconv2d(const Kernels&, Extent x, const Window&, int64_t groups, int64_t oc,
                      int32_t x_zero_point, const WeightSource&, const std::optional<ChannelRequant>&,
                      const ConvFusion& = {});

/// codes (ic, oc / groups, kh, kw); y's extent as given (output_padding is part of it).
LayerPtr make_qconv_transpose2d(const Kernels&, Extent x, Extent y, const Window&, int64_t groups,
                                int32_t x_zero_point, const WeightSpan&, const ChannelRequant&);

/// Rows are (in); every one of x.h * x.w positions is a sample. Without requant y is int32.
LayerPtr make_qlinear(const Kernels&, Extent x, int64_t out, int32_t x_zero_point, const WeightSource&,
                      const std::optional<ChannelRequant>&);

LayerPtr make_qmax_pool2d(const Kernels&, Extent x, const Window&, bool ceil_mode);

/// One multiplier for each divisor that occurs; a divisor that is missing throws
/// std::invalid_argument (it is data, not a program error).
struct DivisorRequant {
  std::span<const int32_t> divisors, multiplier, shift;
  OutputRange out;
};
/// divisor_override 0: torch's default divisor.
LayerPtr make_qavg_pool2d(const Kernels&, Extent x, const Window&, bool ceil_mode, bool count_include_pad,
                          int64_t divisor_override, int32_t x_zero_point, const DivisorRequant&);
LayerPtr make_qadaptive_avg_pool2d(const Kernels&, Extent x, std::array<int64_t, 2> output_size,
                                   int32_t x_zero_point, const DivisorRequant&);
/// The divisors that occur, ascending: what a freeze must provide multipliers for.
std::vector<int64_t> avg_pool2d_divisors(Extent x, const Window&, bool ceil_mode, bool count_include_pad,
                                         int64_t divisor_override);
std::vector<int64_t> adaptive_avg_pool2d_divisors(Extent x, std::array<int64_t, 2> output_size);

/// b has x's extent or {1, 1, c}; a negative b_multiplier subtracts.
LayerPtr make_qadd(const Kernels&, Extent a, Extent b, int32_t a_zero_point, int32_t a_multiplier,
                   int32_t b_zero_point, int32_t b_multiplier, int32_t shift, OutputRange);
LayerPtr make_qmul(const Kernels&, Extent a, Extent b, int32_t a_zero_point, int32_t b_zero_point,
                   int32_t multiplier, int32_t shift, OutputRange);

/// multiplier, offset, shift of length c.
LayerPtr make_qaffine(const Kernels&, Extent x, int32_t x_zero_point, std::span<const int32_t> multiplier,
                      std::span<const int32_t> offset, std::span<const int32_t> shift, OutputRange);

/// table of 256 or c * 256 bytes.
LayerPtr make_lookup(const Kernels&, Extent x, std::span<const uint8_t> table);
LayerPtr make_clamp(const Kernels&, Extent x, int32_t lo, int32_t hi);

/// Joins along one storage axis (0 h, 1 w, 2 c). Input i goes through
/// Q(x - zero_points[i]) with multiplier[i], shift[i]; where identity[i], its bytes move unchanged. Along c:
/// where moved[i], they lie in y already.
LayerPtr make_qconcat(const Kernels&, std::span<const Extent> xs, int axis,
                      std::span<const int32_t> zero_points, std::span<const int32_t> multiplier,
                      std::span<const int32_t> shift, const std::vector<bool>& identity, OutputRange,
                      const std::vector<bool>& moved = {});

/// Byte moves: y[h][w][c] = x[rows[h]][cols[w]][channels[c]], or `value` where an index is -1.
/// Slice, permute of channels, pad (all modes) and nearest up-sampling are this with their maps.
struct MoveMaps {
  std::vector<int32_t> rows, cols, channels;
};
LayerPtr make_move(Extent x, MoveMaps maps, uint8_t value);

/// Same elements, other extent, in the logical order (c, h, w) of `x_rank3` / `y_rank3` values;
/// a value of rank 1 or 2 is logically (h, w, c) as stored.
LayerPtr make_reshape(Extent x, bool x_rank3, Extent y, bool y_rank3);

LayerPtr make_upsample_bilinear(const Kernels&, Extent x, std::array<int64_t, 2> output_size,
                                bool align_corners);

/// Index maps of the moves, one axis each.
std::vector<int32_t> slice_map(int64_t start, int64_t count, int64_t step);
enum class PadMode { constant, reflect, replicate };
std::vector<int32_t> pad_map(int64_t in, int64_t before, int64_t after, PadMode);
/// min(floor(float32(i) * (float32(in) / float32(out))), in - 1)
std::vector<int32_t> nearest_map(int64_t in, int64_t out);

}  // namespace icepoint
