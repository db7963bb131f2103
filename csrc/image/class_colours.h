// A colour for each class of a map: fixed, far apart, and black for class 0, which most data call background.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace icepoint {

/// R, G, B of classes 0..255, the colours of PASCAL VOC: bits 0, 3, 6 of the class are the upper bits of red,
/// from the highest down, 1, 4, 7 of green, 2, 5 of blue.
constexpr std::array<uint8_t, 768> class_colours() {
  std::array<uint8_t, 768> colours{};
  for (unsigned i = 0; i < 256; ++i)
    for (unsigned bit = 0; bit < 8; ++bit)
      colours[3 * size_t{i} + bit % 3] |= static_cast<uint8_t>((i >> bit & 1) << (7 - bit / 3));
  return colours;
}

}  // namespace icepoint
