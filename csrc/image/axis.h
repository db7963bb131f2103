// One axis of a resize, and the part of it that somebody wants.
#pragma once

#include <cstdint>

namespace icepoint {

/// `source` pixels become `full`, of which begin .. begin + count are computed: a crop behind a resize
/// never makes the pixels that it throws away. source, full, count >= 1; begin + count <= full.
struct Axis {
  int64_t source = 0, full = 0, begin = 0, count = 0;
};

}  // namespace icepoint
