// Memory that a prepared layer keeps: packed weights on a cache line, requantization per channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "layers/layers.h"

namespace icepoint {

/// Bytes aligned to 64, the width of a cache line and of the widest vector; starts as zeros. Large ones
/// ask for huge pages: a stream of weights then needs a page's translation 512 times less often.
class PackedWeights {
 public:
  PackedWeights() = default;
  explicit PackedWeights(size_t size);
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  std::unique_ptr<void, Free> data_;
  int64_t size_ = 0;
};

/// multiplier and shift widened to one pair per channel, and the view that kernels take.
class StoredRequant {
 public:
  StoredRequant(const ChannelRequant& q, int64_t channels);
  Requant view() const { return {multiplier_.data(), shift_.data(), out_.zero_point, out_.lo, out_.hi}; }
  int64_t bytes() const { return 4 * (multiplier_.size() + shift_.size()); }

 private:
  std::vector<int32_t> multiplier_, shift_;
  OutputRange out_;
};

/// `values` of length 1 repeated, of length n as they are, of length 0 (an absent bias) as zeros.
std::vector<int32_t> per_channel(std::span<const int32_t> values, int64_t n);

}  // namespace icepoint
