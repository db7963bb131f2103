// The fits of prepare.h: sizes, and which pixels of the resized picture are wanted.
#include "image/prepare.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.h"
#include "core/float_env.h"
#include "image/antialias.h"
#include "image/opencv_linear.h"

namespace icepoint {
namespace {

Image filtered(const Image& picture, Resize::Filter filter, const Axis& rows, const Axis& columns) {
  switch (filter) {
    case Resize::Filter::opencv_linear:
      return resize_opencv_linear(picture, rows, columns);
    case Resize::Filter::bilinear:
      return resize_antialiased(picture, rows, columns, Kernel::bilinear);
    case Resize::Filter::bicubic:
      break;
  }
  return resize_antialiased(picture, rows, columns, Kernel::bicubic);
}

Axis whole(int64_t source, int64_t full) {
  return {source, full, 0, full};
}

Image letterbox(const Image& picture, const Resize& r, int64_t height, int64_t width) {
  const FloatEnv env;
  const double h = static_cast<double>(picture.height), w = static_cast<double>(picture.width);
  const double s = std::min(static_cast<double>(height) / h, static_cast<double>(width) / w);
  // h s is at most height (1 + 2^-52), which rounds to height.
  const auto side = [&](double v) {
    return std::max<int64_t>(static_cast<int64_t>(std::nearbyint(v * s)), 1);
  };
  const Image scaled =
      filtered(picture, r.filter, whole(picture.height, side(h)), whole(picture.width, side(w)));
  const int64_t c = picture.channels, row = scaled.width * c;
  Image y{height, width, c, {}};
  y.data.assign(static_cast<size_t>(height * width * c), static_cast<uint8_t>(r.fill));
  for (int64_t i = 0; i < scaled.height; ++i)
    std::copy_n(scaled.data.data() + i * row, row, y.data.data() + i * width * c);
  return y;
}

Image crop(const Image& picture, const Resize& r, int64_t height, int64_t width) {
  const int64_t shorter = std::min(picture.height, picture.width);
  const auto axis = [&](int64_t source, int64_t wanted) {
    // Products below 2^32 are exact in double: the quotient is Python's int / int.
    const int64_t full = source == shorter
                             ? r.shorter_side
                             : static_cast<int64_t>(static_cast<double>(r.shorter_side * source) /
                                                    static_cast<double>(shorter));
    const int64_t left = full - wanted, half = left / 2;
    return Axis{source, full, left % 2 == 0 ? half : half + half % 2, wanted};
  };
  return filtered(picture, r.filter, axis(picture.height, height), axis(picture.width, width));
}

Image fitted(Image picture, const Resize& r, int64_t height, int64_t width) {
  switch (r.fit) {
    case Resize::Fit::none:
      require(picture.height == height && picture.width == width, "the picture has ", picture.width, " x ",
              picture.height, " pixels, the model takes ", width, " x ", height,
              " and its recipe has no resize; scale or crop the picture, or freeze with Recipe(resize=...)");
      return picture;
    case Resize::Fit::letterbox:
      return letterbox(picture, r, height, width);
    case Resize::Fit::crop:
      return crop(picture, r, height, width);
    case Resize::Fit::stretch:
      break;
  }
  return filtered(picture, r.filter, whole(picture.height, height), whole(picture.width, width));
}

}  // namespace

Image prepare_picture(Image picture, const Resize& r, int64_t channels, int64_t height, int64_t width) {
  check_image_size(picture.height, picture.width);
  check_image_size(height, width);
  check_resize(r, height, width, "resize");
  require(picture.channels == 1 || picture.channels == 3, "image: ", picture.channels,
          " channels, expected 1 or 3");
  if (channels < picture.channels) picture = to_channels(std::move(picture), channels);
  return to_channels(fitted(std::move(picture), r, height, width), channels);
}

}  // namespace icepoint
