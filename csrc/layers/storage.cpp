// Storage of prepared layers, and centring of weights.
#include "layers/storage.h"

#include <cassert>
#include <cstring>

namespace icepoint {

PackedWeights::PackedWeights(size_t size)
    : data_(::operator new (size, std::align_val_t{64})), size_(static_cast<int64_t>(size)) {
  // Packing may leave the padding of a last block alone; kernels multiply it all the same.
  std::memset(data_.get(), 0, size);
}

StoredRequant::StoredRequant(const ChannelRequant& q, int64_t channels)
    : multiplier_(per_channel(q.multiplier, channels)), shift_(per_channel(q.shift, channels)), out_(q.out) {}

std::vector<int32_t> per_channel(std::span<const int32_t> values, int64_t n) {
  const int64_t size = static_cast<int64_t>(values.size());
  assert(size <= 1 || size == n);
  if (size <= 1) return std::vector<int32_t>(n, size == 0 ? 0 : values[0]);
  return {values.begin(), values.end()};
}

std::vector<int16_t> centre(std::span<const int8_t> codes, std::span<const int32_t> zero_point,
                            int64_t channels) {
  const std::vector<int32_t> zero = per_channel(zero_point, channels);
  const int64_t row = channels == 0 ? 0 : static_cast<int64_t>(codes.size()) / channels;
  assert(row * channels == static_cast<int64_t>(codes.size()));
  std::vector<int16_t> centred(codes.size());
  for (int64_t c = 0, i = 0; c < channels; ++c)
    for (int64_t k = 0; k < row; ++k, ++i) centred[i] = static_cast<int16_t>(codes[i] - zero[c]);
  return centred;
}

}  // namespace icepoint
