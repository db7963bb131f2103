// Rows of weights from packed codes.
#include "runtime/weight_rows.h"

#include <algorithm>
#include <cassert>

#include "layers/storage.h"

namespace icepoint {

GraphRows::GraphRows(const Weights& weights, const Shape& shape, int64_t channels, int64_t taps)
    : weights_(weights),
      codes_(weights, shape),
      zero_point_(per_channel(
          weights.affine ? weights.weight_zero_point.as<int32_t>() : std::span<const int32_t>(), shape[0])),
      offset_(zero_point_),
      channels_(channels),
      taps_(taps),
      row_(static_cast<size_t>(codes_.row())) {
  assert(codes_.row() == channels * taps);
  if (!weights.affine) std::fill(offset_.begin(), offset_.end(), 8);  // -7..7
}

void GraphRows::read(int64_t oc, int16_t* row) const {
  int16_t* codes = taps_ == 1 || channels_ == 1 ? row : row_.data();
  codes_.read(oc, 0, codes_.row(), codes);
  if (const auto zero_point = static_cast<int16_t>(zero_point_[oc]); zero_point != 0)
    for (int64_t k = 0; k < codes_.row(); ++k) codes[k] = static_cast<int16_t>(codes[k] - zero_point);
  if (codes != row) interleave(codes, channels_, taps_, row);
}

WeightKind GraphRows::kind() const {
  if (weights_.bits <= 4) return WeightKind::i4;
  if (!weights_.affine || weights_.bits < 8) return WeightKind::i8;
  for (int64_t oc = 0; oc < codes_.rows(); ++oc) {
    codes_.read(oc, 0, codes_.row(), row_.data());
    const auto [least, most] = std::minmax_element(row_.begin(), row_.end());
    if (*least - zero_point_[oc] < -128 || *most - zero_point_[oc] > 127) return WeightKind::i16;
  }
  return WeightKind::i8;
}

WeightSource GraphRows::source() const {
  const auto bias = weights_.bias ? weights_.bias.as<int32_t>() : std::span<const int32_t>();
  return {*this, kind(), offset_, bias};
}

}  // namespace icepoint
