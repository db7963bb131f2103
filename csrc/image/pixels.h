// Pictures as 8-bit grey or RGB: every conversion between pixel formats, as exact integer formulas.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace icepoint {

/// Interleaved 8-bit pixels, dense (height, width, channels); 1 channel is grey, 3 are R, G, B.
/// Colour profiles, gamma and chromaticities are ignored: a pixel is the number that the file holds.
struct Image {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> data;
  bool operator==(const Image&) const = default;
};

// Caps, checked by every decoder before it allocates.
inline constexpr int64_t kMaxImageSide = 65535;
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 26;

/// Throws std::invalid_argument unless both sides are in 1..65535 and the area is at most 2^26.
void check_image_size(int64_t height, int64_t width);

/// ITU-R 601 luma in 16-bit fixed point; the factors sum to 65536, so grey stays what it was.
inline uint8_t luma(uint8_t r, uint8_t g, uint8_t b) {
  return static_cast<uint8_t>((r * 19595u + g * 38470u + b * 7471u + 0x8000u) >> 16);
}

/// 16 bits to 8: the high byte. (65535 -> 255, 256 -> 1, 255 -> 0.)
inline uint8_t high_byte(uint16_t v) {
  return static_cast<uint8_t>(v >> 8);
}

/// rne(a b / 255) for a, b in 0..255, without a division; a b is never half way.
inline uint8_t multiply_255(uint8_t a, uint8_t b) {
  const uint32_t t = uint32_t{a} * b + 128u;
  return static_cast<uint8_t>((t + (t >> 8)) >> 8);
}

/// Ink to light: with white = 255 - k, each of r, g, b is white - multiply_255(c | m | y, white),
/// which is (255 - ink) (255 - k) / 255 rounded.
Image cmyk_to_rgb(const Image& cmyk);

/// The first `keep` of each pixel's channels. Alpha is dropped, not composited, and so is the
/// transparency of palettes and key colours: training pipelines read pictures that way
/// (Pillow's convert("RGB")), and a model should see what it was trained on.
Image keep_channels(const Image&, int64_t keep);

/// Replaces each index of a one-channel image by its colour; `palette` is R, G, B per entry.
/// Throws std::invalid_argument where an index is beyond the palette.
Image expand_palette(const Image& indices, std::span<const uint8_t> palette);

/// Grey to RGB by copying, RGB to grey by luma, otherwise unchanged. Throws std::invalid_argument
/// where `channels` is neither what the image has nor 1 or 3.
Image to_channels(Image, int64_t channels);

}  // namespace icepoint
