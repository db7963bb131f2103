// From 8-bit pixels straight to input codes: 256 codes a channel, made once from the recipe.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/qparams.h"

namespace icepoint {

/// table[c][p] = quantize((float32(p) / float32(divide) - mean[c]) / std[c]), in this order, every
/// step one float32 operation ("pixels to input" in docs/numerics.md).
class PixelTable {
 public:
  /// `divide` is 255 or 1; mean and std have one element a channel, std > 0; q is the input's.
  PixelTable(int64_t divide, const std::vector<float>& mean, const std::vector<float>& std, const QParams& q);

  int64_t channels() const { return static_cast<int64_t>(table_.size()); }
  uint8_t operator()(int64_t channel, uint8_t pixel) const {
    return table_[static_cast<size_t>(channel)][pixel];
  }

  /// Interleaved pixels (n, area, c) to codes (n, c, area): the logical order that Model takes.
  void apply(const uint8_t* pixels, int64_t n, int64_t area, uint8_t* codes) const;

 private:
  std::vector<std::array<uint8_t, 256>> table_;
};

}  // namespace icepoint
