// PNG to 8-bit grey or RGB, through libpng.
#pragma once

#include "image/pixels.h"
#include "replay/files.h"

namespace icepoint {

/// The upright picture: every colour type, depth and interlacing; transparency dropped, 16 bits
/// reduced to the high byte, 1, 2 and 4 bits of grey stretched to 0..255, eXIf orientation applied.
/// Throws std::invalid_argument for a damaged file and one beyond the caps of image/pixels.h.
Image decode_png(const Bytes& file);

}  // namespace icepoint
