// A class map as a PNG that people can look at and programs read back.
#pragma once

#include "image/pixels.h"
#include "replay/files.h"

namespace icepoint {

/// An 8-bit palette PNG of a map (h, w, 1): its indices are the classes, its `classes` colours those of
/// image/class_colours.h. No index may reach `classes`, which is at most 256.
Bytes encode_map(const Image& map, int64_t classes);

}  // namespace icepoint
