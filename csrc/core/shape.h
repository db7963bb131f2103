// Shapes and the window arithmetic that convolutions and pools share.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/check.h"

namespace icepoint {

/// Logical dimensions, without the batch for values of a graph: (c, h, w), (t, f) or (f).
using Shape = std::vector<int64_t>;

/// Product of the dimensions, or nothing where it does not fit int64 or a dimension is negative.
inline std::optional<int64_t> numel(const Shape& shape) {
  int64_t product = 1;
  bool fits = true;
  for (int64_t d : shape) {
    if (d < 0) return std::nullopt;
    // A zero must not hide the overflow of its neighbours: (0, 2^63) stays an error.
    if (d != 0 && __builtin_mul_overflow(product, d, &product)) fits = false;
  }
  if (!fits) return std::nullopt;
  for (int64_t d : shape)
    if (d == 0) return 0;
  return product;
}

inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

/// Height, width, channels of one image in storage order. A vector (f) is {1, 1, f}; a sequence
/// (t, f) is {1, t, f}: so linear and channel-wise operators always work on c.
struct Extent {
  int64_t h = 1, w = 1, c = 1;
  int64_t numel() const { return h * w * c; }
  bool operator==(const Extent&) const = default;
};

/// A sliding window in two dimensions; padding is top, left, bottom, right.
struct Window {
  std::array<int64_t, 2> kernel{1, 1};
  std::array<int64_t, 2> stride{1, 1};
  std::array<int64_t, 4> padding{0, 0, 0, 0};
  std::array<int64_t, 2> dilation{1, 1};
};

// No dimension of a window may pass this: sums of a few of them stay far from int64's end,
// and a stride of 65536 never becomes 0 in a narrower field.
inline constexpr int64_t kMaxWindow = 65535;

/// Requires kernel, stride, dilation in 1..65535 and padding in 0..65535; `who` opens the message.
inline void check_window(const Window& window, const std::string& who) {
  for (int64_t k : window.kernel) require_range(k, 1, kMaxWindow, who + ".kernel_size");
  for (int64_t s : window.stride) require_range(s, 1, kMaxWindow, who + ".stride");
  for (int64_t p : window.padding) require_range(p, 0, kMaxWindow, who + ".padding");
  for (int64_t d : window.dilation) require_range(d, 1, kMaxWindow, who + ".dilation");
}

/// Output height (axis 0) or width (axis 1) of a convolution or pool; torch's rule.
/// ceil_mode: a last window that starts in the bottom or right padding is dropped.
inline int64_t window_output(const Window& w, int axis, int64_t in, bool ceil_mode = false) {
  const int64_t lo = w.padding[axis], hi = w.padding[axis + 2], stride = w.stride[axis];
  const int64_t span = w.dilation[axis] * (w.kernel[axis] - 1) + 1;
  const int64_t room = in + lo + hi - span;
  if (room < 0) return 0;
  int64_t out = room / stride + 1;
  if (ceil_mode && room % stride != 0 && out * stride < in + lo) ++out;
  return out;
}

}  // namespace icepoint
