// Values as layers meet them in memory: odd pitches, a filled halo, garbage around, nothing readable behind.
#pragma once

#include <cstring>
#include <vector>

#include "case_data.h"

namespace icepoint {

/// One input of a layer: n images of dense codes (n, h, w, c), and how they shall lie.
struct Operand {
  Extent extent;
  std::vector<uint8_t> codes;
  int32_t zero_point = 0;  // what a halo holds
  int64_t pixel = 0;       // pitch of the pixels; 0: c
};

/// Any codes, with pixels side by side or apart.
inline Operand any_operand(CaseData& data, Extent e, int64_t n, int32_t zero_point = 0) {
  return {e, data.codes(n * e.numel()), zero_point, e.c + (data.chance(2) ? 0 : data.pick(1, 70))};
}

/// n images with `pixel_bytes` bytes a pixel in a buffer of their own. Rows and images lie apart, the first
/// one anywhere, and the buffer ends kSlack bytes behind the last pixel, so that a sanitizer sees who reads
/// on.
class Laid {
 public:
  Laid(CaseData& data, int64_t n, Extent e, int64_t pixel_bytes, int64_t pixel, Halo halo = {},
       int64_t align = 1)
      : n_(n), e_(e), pixel_bytes_(pixel_bytes) {
    const auto gap = [&](int64_t most) { return data.chance(2) ? 0 : align * data.pick(1, most); };
    at_.pixel = pixel;
    at_.row = (halo.left + e.w + halo.right) * pixel + gap(40);
    at_.image = (halo.top + e.h + halo.bottom) * at_.row + gap(100);
    const int64_t first = gap(64) + halo.top * at_.row + halo.left * pixel;
    // The last pixel is a halo's, where there is one.
    const int64_t last = first + (n - 1) * at_.image + (e.h - 1 + halo.bottom) * at_.row +
                         (e.w - 1 + halo.right) * pixel + pixel_bytes;
    bytes_.resize(n == 0 ? kSlack : last + kSlack);
    for (uint8_t& byte : bytes_) byte = static_cast<uint8_t>(data.pick(0, 255));
    at_.data = bytes_.data() + (n == 0 ? 0 : first);
    before_ = bytes_;
  }

  /// An input: its codes, and its zero point in the halo.
  static Laid input(CaseData& data, int64_t n, const Operand& x, Halo halo) {
    Laid laid(data, n, x.extent, x.extent.c, x.pixel == 0 ? x.extent.c : x.pixel, halo);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t y = -halo.top; y < x.extent.h + halo.bottom; ++y)
        for (int64_t p = -halo.left; p < x.extent.w + halo.right; ++p)
          std::memset(laid.at_.at(i, y, p), x.zero_point, x.extent.c);
    laid.put(x.codes);
    return laid;
  }

  Laid(Laid&&) = default;  // the buffer keeps its address

  View view() const { return {at_.data, at_.image, at_.row, at_.pixel}; }
  Output output() const { return at_; }

  /// The value, dense.
  std::vector<uint8_t> get() const {
    std::vector<uint8_t> values;
    values.reserve(n_ * e_.h * e_.w * pixel_bytes_);
    for_each_pixel([&](uint8_t* pixel) { values.insert(values.end(), pixel, pixel + pixel_bytes_); });
    return values;
  }
  void put(const std::vector<uint8_t>& values) {
    const uint8_t* from = values.data();
    for_each_pixel([&](uint8_t* pixel) {
      std::memcpy(pixel, from, pixel_bytes_);
      from += pixel_bytes_;
    });
  }

  /// No byte beside the value has changed since the buffer was made.
  bool intact_around() const {
    std::vector<uint8_t> now = bytes_;
    for_each_pixel([&](const uint8_t* pixel) {
      const auto at = pixel - bytes_.data();
      std::memcpy(now.data() + at, before_.data() + at, pixel_bytes_);
    });
    return now == before_;
  }

 private:
  template <class F>
  void for_each_pixel(const F& f) const {
    for (int64_t i = 0; i < n_; ++i)
      for (int64_t y = 0; y < e_.h; ++y)
        for (int64_t p = 0; p < e_.w; ++p) f(at_.at(i, y, p));
  }

  int64_t n_;
  Extent e_;
  int64_t pixel_bytes_;
  Output at_;
  std::vector<uint8_t> bytes_, before_;
};

}  // namespace icepoint
