// Copies of a few bytes without a call. Included inside a target region; V is the region's own type.
#pragma once

namespace icepoint::wide {

/// n < kLess bytes; kLess is a power of two.
template <class V, int64_t kLess>
ICEPOINT_INLINE void short_copy(uint8_t* to, const uint8_t* from, int64_t n) {
  if constexpr (kLess > 1) {
    constexpr int64_t kHalf = kLess / 2;
    if ((n & kHalf) != 0) {
      std::memcpy(to, from, kHalf);
      to += kHalf, from += kHalf;
    }
    short_copy<V, kHalf>(to, from, n);
  }
}

}  // namespace icepoint::wide
