// How a picture of any size becomes the model's: where it goes (fit) and how pixels are mixed (filter).
#pragma once

#include <cstdint>

namespace icepoint {

/// The recipe's `resize`. Fit::none: only pictures of the model's own size are taken.
struct Resize {
  enum class Fit { none, letterbox, crop, stretch };
  enum class Filter { opencv_linear, bilinear, bicubic };
  Fit fit = Fit::none;
  Filter filter = Filter::bilinear;
  int64_t shorter_side = 0;  // crop: at least max(height, width) of the model; otherwise 0
  int64_t fill = 0;          // letterbox: 0..255 in every channel; otherwise 0
  bool operator==(const Resize&) const = default;
};

/// Throws std::invalid_argument, the message opened by `who`, unless every member is one that its fit
/// has, in the ranges above, for a model of height x width pixels.
void check_resize(const Resize&, int64_t height, int64_t width, const char* who);

}  // namespace icepoint
