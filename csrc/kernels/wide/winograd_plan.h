// What packing decides about a convolution by tiles of 4x4 outputs, as it lies in front of its weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/wide/plan.h"

namespace icepoint::wide {

/// Places of a transformed tile: 6 x 6 for 4 x 4 outputs of a 3 x 3 kernel.
inline constexpr int kPlaces = 36;

/// Input channels at most: one tile of them fits a stack.
inline constexpr int64_t kMostWinogradChannels = 1024;

/// Packed weights are this, then the panels: the constants of a pair of vectors, then 36 matrices of
/// int16 (ic / 2, output channels of the pair, 2).
struct alignas(64) WinogradPlan : PackedForm {
  int64_t ic, oc, steps;  // two input channels a step
  int64_t panels, panel_bytes;

  WinogradPlan(const Conv2dSpec& spec, int64_t pair_channels, int64_t head_bytes);

  size_t packed_size() const { return sizeof(WinogradPlan) + static_cast<size_t>(panels * panel_bytes); }
};

/// Whether tiles are exact and worth it for `spec`; reads its weights.
///
/// Exact: transformed inputs reach -8160..17340 and transformed weights 144 * 127, so int16 holds both;
/// all sums run modulo 2^32, where the result times 64 is known once it is divided by 9. So it is known
/// modulo 2^26, and that is enough where 255 times the sum of a channel's magnitudes is less than 2^26.
bool winograd_fits(const Conv2dSpec& spec);

}  // namespace icepoint::wide
