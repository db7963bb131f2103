// The conversions of pixels.h; each walks the pixels once.
#include "image/pixels.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace icepoint {
namespace {

Image like(const Image& x, int64_t channels) {
  Image y{x.height, x.width, channels, {}};
  y.data.resize(static_cast<size_t>(x.height * x.width * channels));
  return y;
}

}  // namespace

void check_image_size(int64_t height, int64_t width) {
  require_range(height, 1, kMaxImageSide, "image height");
  require_range(width, 1, kMaxImageSide, "image width");
  require(height * width <= kMaxImagePixels, "image: ", width, " x ", height, " pixels are more than ",
          kMaxImagePixels);
}

Image cmyk_to_rgb(const Image& cmyk) {
  Image rgb = like(cmyk, 3);
  const uint8_t* x = cmyk.data.data();
  for (uint8_t *y = rgb.data.data(), *end = y + rgb.data.size(); y != end; x += 4, y += 3) {
    const uint8_t white = static_cast<uint8_t>(255 - x[3]);
    // multiply_255(ink, white) <= white, so nothing leaves 0..255.
    for (int i = 0; i < 3; ++i) y[i] = static_cast<uint8_t>(white - multiply_255(x[i], white));
  }
  return rgb;
}

Image keep_channels(const Image& image, int64_t keep) {
  Image kept = like(image, keep);
  const uint8_t* x = image.data.data();
  for (uint8_t *y = kept.data.data(), *end = y + kept.data.size(); y != end; x += image.channels, y += keep)
    std::copy_n(x, keep, y);
  return kept;
}

Image expand_palette(const Image& indices, std::span<const uint8_t> palette) {
  Image rgb = like(indices, 3);
  const size_t colours = palette.size() / 3;
  uint8_t* y = rgb.data.data();
  for (const uint8_t index : indices.data) {
    require(index < colours, "palette: index ", int{index}, ", but there are ", colours, " colours");
    std::copy_n(palette.data() + 3 * index, 3, y);
    y += 3;
  }
  return rgb;
}

Image to_channels(Image image, int64_t channels) {
  if (image.channels == channels) return image;
  const bool known = (image.channels == 1 && channels == 3) || (image.channels == 3 && channels == 1);
  require(known, "image: ", image.channels, " channels do not become ", channels,
          "; only grey (1) and RGB (3) convert into each other");
  Image y = like(image, channels);
  if (channels == 3)
    for (size_t i = 0; i < image.data.size(); ++i) std::fill_n(&y.data[3 * i], 3, image.data[i]);
  else
    for (size_t i = 0; i < y.data.size(); ++i)
      y.data[i] = luma(image.data[3 * i], image.data[3 * i + 1], image.data[3 * i + 2]);
  return y;
}

}  // namespace icepoint
