// A frozen file's weights as rows to pack: codes of 2..8 bits, centred, in the order that storage asks for.
#pragma once

#include <vector>

#include "graph/weights.h"
#include "layers/weights.h"

namespace icepoint {

/// Rows of a convolution (oc, ic / groups, kh, kw), or of a linear layer (out, in) whose input is a map that
/// was flattened in place: its features are (c, pixels) in the file and (pixels, c) in memory.
class GraphRows final : public WeightRows {
 public:
  /// Row length is channels * taps.
  GraphRows(const Weights&, const Shape& shape, int64_t channels, int64_t taps);

  void read(int64_t oc, int16_t* row) const override;

  WeightSource source() const;

 private:
  WeightKind kind() const;

  const Weights& weights_;
  WeightCodes codes_;
  std::vector<int32_t> zero_point_;  // (oc)
  std::vector<int32_t> offset_;      // (oc): what makes centred weights of few bits 0..15
  int64_t channels_, taps_;
  mutable std::vector<int16_t> row_;  // a row in the file's order; packing is one thread's work
};

}  // namespace icepoint
