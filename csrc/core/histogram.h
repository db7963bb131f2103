// Exact statistics of float32 values: least, greatest, and counts in bins whose width is a power of two.
#pragma once

#include <cstdint>

namespace icepoint {

/// Values (images, channels, size), dense.
struct Values {
  const float* data;
  int64_t images, channels, size;
};

/// low, high (images, channels) of each image's channel, both NaN where one value is; size > 0. Denormals
/// count as what they are, whatever the thread's float modes.
void extremes(const Values& x, float* low, float* high);

/// Adds to counts (channels, 2 side) how many values lie in each bin, and to zeros (channels) how many are 0
/// or -0, which are in no bin. With w = 2^exponents[c], exponents >= -149, bin `side + i` of channel c holds
/// [i w, (i + 1) w). Returns false for a value outside -side w <= x < side w, or NaN: some values may then
/// have been counted. side <= 2^20.
bool count_bins(const Values& x, const int32_t* exponents, int64_t side, int64_t* counts, int64_t* zeros);

}  // namespace icepoint
