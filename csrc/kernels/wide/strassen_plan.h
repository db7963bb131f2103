// What packing decides about a convolution by Strassen's products, as it lies in front of its weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/wide/places16.h"

namespace icepoint::wide {

/// Packed weights are this, then the panels: the constants of each pair of vectors, then a matrix of int16
/// (steps, output channels of a pair, 2) for each product.
///
/// One level splits pixels, input channels of a tap and output channels into two parts each; two levels split
/// the parts again.
struct alignas(64) StrassenPlan : PackedForm {
  int64_t levels, parts;  // parts = 2^levels
  int64_t ic, oc, kw, taps;
  int64_t piece;  // input channels of a part, filled up to a multiple of kPieceUnit
  int64_t steps;  // of two input channels, all taps
  int64_t panels, panel_channels, panel_bytes;

  /// `pair_channels`, `head_bytes`: output channels of a pair of vectors, and the bytes of its constants.
  StrassenPlan(const Conv2dSpec& spec, int64_t pair_channels, int64_t head_bytes);

  int64_t places() const { return levels == 1 ? 7 : 49; }  // products
  size_t packed_size() const { return sizeof(StrassenPlan) + static_cast<size_t>(panels * panel_bytes); }
};

/// Input channels that every table's vectors transform at once divide this.
inline constexpr int64_t kPieceUnit = 16;

/// Bytes of a tile's transformed inputs and products at most: they fit a stack.
inline constexpr int64_t kMostStrassenTile = 96 << 10;

/// Levels that are worth it for `spec` on a table with pairs of `pair_channels`; 0: none.
///
/// Always exact: transformed codes lie in -2040..2040 and transformed weights of nine bits in -4080..4080
/// behind two levels, and sums run modulo 2^32, as those of every kernel here.
int64_t strassen_levels(const Conv2dSpec& spec, int64_t pair_channels);

}  // namespace icepoint::wide
