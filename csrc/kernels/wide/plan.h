// What packing decides about a convolution, as it lies in front of the packed weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace icepoint::wide {

/// How a packed convolution computes. `tiles` is the direct form too, with runs filled up for them.
enum class Algorithm : uint8_t { direct, winograd, strassen, tiles };

/// Shifts of a requantization that need no step before the multiplication (Scales, in epilogue.h).
inline constexpr int32_t kLeastShift = 33;

/// What every packed form begins with: how it computes, and what becomes of its accumulators.
struct PackedForm {
  Algorithm algorithm;
  bool codes, prescale, has_residual, max_pool;
  int32_t lo, hi, zero_point;  // of the convolution's own code
  Residual residual;

  PackedForm(Algorithm algorithm, const Conv2dSpec& spec);
};
inline Algorithm algorithm_of(const void* packed) {
  return static_cast<const PackedForm*>(packed)->algorithm;
}

/// What a table's vectors hold.
struct PanelShape {
  int64_t pair_channels;  // of a pair of vectors
  int64_t panel_pairs;    // of a whole panel of output channels: 1 or 2
  int64_t head_bytes;     // of the constants of a pair
  int64_t chunk_bytes;    // of the weights of a pair in a chunk, which is `steps` times four bytes of x
  int64_t steps;
  int64_t rounds;    // over the reduction
  int64_t run_unit;  // bytes: runs are filled up to a multiple, itself a multiple of a chunk
  bool streamed;     // as in Plan
};

/// Packed weights are a Plan, then the panels of each group; a panel is the constants of its pairs, then
/// its weights in the order of the reduction: kernel_rows * taps runs of `chunks` chunks. A run is
/// neighbouring bytes of x, its end filled with zero weights. The taps of a kernel row are one run where
/// no other bytes lie between them: a first layer of 3 channels reduces 21 neighbours, not 7 times 3.
struct alignas(64) Plan : PackedForm {
  WeightKind kind;
  bool streamed;  // bytes of weights lie as bytes although the table multiplies int16
  int64_t kernel_rows, taps, run, chunks;
  int64_t groups, group_ic, group_oc;
  int64_t panels, panel_channels, panel_bytes;  // a group's; all but the last are whole
  int64_t last_pairs, last_bytes;               // the last one has as many pairs as it needs

  Plan(const Conv2dSpec& spec, const PanelShape& shape);

  int64_t group_bytes() const { return (panels - 1) * panel_bytes + last_bytes; }
  size_t packed_size() const { return sizeof(Plan) + static_cast<size_t>(groups * group_bytes()); }
};

/// Part `i` of `parts` nearly equal ones of 0..n: begins here.
constexpr int64_t part_begin(int64_t n, int64_t parts, int64_t i) {
  return n * i / parts;
}

constexpr int64_t divide_up(int64_t n, int64_t by) {
  return (n + by - 1) / by;
}

}  // namespace icepoint::wide
