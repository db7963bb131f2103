// The EXIF tag and the eight permutations of orient.h.
#include "image/orient.h"

#include <algorithm>

#include "core/check.h"

namespace icepoint {
namespace {

/// Integers of a TIFF block, in its own byte order; reading past the end gives 0.
struct Tiff {
  std::span<const uint8_t> bytes;
  bool big_endian;

  uint32_t at(size_t offset, size_t size) const {
    if (offset > bytes.size() || bytes.size() - offset < size) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i)
      value |= uint32_t{bytes[offset + i]} << 8 * (big_endian ? size - 1 - i : i);
    return value;
  }
};

}  // namespace

int exif_orientation(std::span<const uint8_t> bytes) {
  constexpr int kUpright = 1;
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  if (bytes.size() < 8 || bytes[0] != bytes[1] || (bytes[0] != 'I' && bytes[0] != 'M')) return kUpright;
  const Tiff tiff{bytes, bytes[0] == 'M'};
  if (tiff.at(2, 2) != 42) return kUpright;
  const size_t directory = tiff.at(4, 4);
  // Entries of 12 bytes: tag, type, count, value. At most 65535 of them.
  const size_t entries = tiff.at(directory, 2);
  for (size_t i = 0, entry = directory + 2; i < entries; ++i, entry += 12) {
    if (tiff.at(entry, 2) != kOrientation) continue;
    const uint32_t value = tiff.at(entry + 8, 2);
    const bool legal = tiff.at(entry + 2, 2) == kShort && tiff.at(entry + 4, 4) == 1;
    return legal && value >= 1 && value <= 8 ? static_cast<int>(value) : kUpright;
  }
  return kUpright;
}

Image orient(Image stored, int orientation) {
  require_range(orientation, 1, 8, "orientation");
  if (orientation == 1) return stored;
  const bool swap = orientation >= 5;
  const int64_t H = stored.height, W = stored.width, c = stored.channels;
  Image upright{swap ? W : H, swap ? H : W, c, {}};
  upright.data.resize(stored.data.size());
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  uint8_t* y = upright.data.data();
  for (int64_t i = 0; i < upright.height; ++i)
    for (int64_t j = 0; j < upright.width; ++j, y += c) {
      int64_t row = swap ? j : i, column = swap ? i : j;
      if (from_bottom) row = H - 1 - row;
      if (from_right) column = W - 1 - column;
      std::copy_n(&stored.data[static_cast<size_t>((row * W + column) * c)], c, y);
    }
  return upright;
}

}  // namespace icepoint
