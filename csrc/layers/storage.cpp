// Storage of prepared layers, and centring of weights.
#include "layers/storage.h"

#include <sys/mman.h>

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>

namespace icepoint {

// From here on memory is worth a huge page: half of one would be wasted at most.
constexpr size_t kHuge = size_t{2} << 20;

PackedWeights::PackedWeights(size_t size) : size_(static_cast<int64_t>(size)) {
  const size_t alignment = size >= 2 * kHuge ? kHuge : 64;
  void* data = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (data == nullptr) throw std::bad_alloc();
  data_.reset(data);
  // Advice alone: where it is refused, the pages are small. Behind `size` nothing is ever touched.
  if (alignment == kHuge) ::madvise(data, size / kHuge * kHuge, MADV_HUGEPAGE);
  // Packing may leave the padding of a last block alone; kernels multiply it all the same.
  std::memset(data, 0, size);
}

void PackedWeights::Free::operator()(void* p) const {
  std::free(p);
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
