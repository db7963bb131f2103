// JPEG to 8-bit grey or RGB, through libjpeg-turbo.
#pragma once

#include "image/pixels.h"
#include "replay/files.h"

namespace icepoint {

/// The upright picture: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK, with the decoder's
/// exact integer IDCT and smooth chroma, EXIF orientation applied. Four components are taken in
/// Adobe's polarity (255 - ink), with an Adobe marker or without, as Pillow does: nobody writes the
/// other. Throws std::invalid_argument for a damaged file and one beyond the caps of image/pixels.h.
Image decode_jpeg(const Bytes& file);

}  // namespace icepoint
