// Outputs whose reals come from a layer's int32 accumulators: which they are, and what one stands for.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "format/file.h"
#include "layers/storage.h"

namespace icepoint {

/// One a value: whether it lies in memory as the accumulators of the layer that makes it.
std::vector<bool> lie_as_accumulators(const ModelFile&);

/// The rules by which the accumulators of one layer become codes and reals.
class Accumulators {
 public:
  /// Of a value that lie_as_accumulators() names.
  static Accumulators of(const ModelFile&, int64_t value);

  /// Of one pixel's accumulators (oc), results `step` apart. Reals are float32(acc * s_x s_w[c]), the
  /// products in double: s_x s_w[c] is exact there.
  void codes(const int32_t* acc, uint8_t* y, int64_t step) const;
  void reals(const int32_t* acc, float* y, int64_t step) const;
  const double* scales() const { return scales_.data(); }  // (oc)

 private:
  Accumulators(std::vector<double> scales, StoredRequant requant)
      : scales_(std::move(scales)), requant_(std::move(requant)) {}

  std::vector<double> scales_;
  StoredRequant requant_;
};

}  // namespace icepoint
