// Outputs whose reals come from a layer's int32 accumulators: which they are, and what one stands for.
#pragma once

#include <cstdint>
#include <vector>

#include "format/file.h"
#include "layers/storage.h"

namespace icepoint {

/// One a value: whether it lies in memory as the accumulators of the layer that makes it.
std::vector<bool> lie_as_accumulators(const ModelFile&);

/// The rules by which an accumulator of one layer, of channel c, becomes its code and its real.
class Accumulators {
 public:
  /// Of a value that lie_as_accumulators() names.
  Accumulators(const ModelFile&, int64_t value);

  uint8_t code(int32_t acc, int64_t c) const;
  /// float32(acc * s_x s_w[c]), the products in double: s_x s_w[c] is exact there.
  float real(int32_t acc, int64_t c) const { return static_cast<float>(acc * scales_[c]); }
  const double* scales() const { return scales_.data(); }  // (oc)

 private:
  std::vector<double> scales_;
  StoredRequant requant_;
};

}  // namespace icepoint
