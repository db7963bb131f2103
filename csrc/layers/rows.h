// Elementwise layers split an image into its rows, so that one image alone feeds several threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace icepoint {

/// Calls part(image, row_begin, row_end) for the rows begin..end of n images of h rows, one call an image.
template <class Part>
void for_each_image(int64_t begin, int64_t end, int64_t h, const Part& part) {
  while (begin < end) {
    const int64_t image = begin / h, row = begin % h;
    const int64_t rows = std::min(end - begin, h - row);
    part(image, row, row + rows);
    begin += rows;
  }
}

}  // namespace icepoint
