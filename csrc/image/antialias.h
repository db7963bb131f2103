// Antialiased resize of 8-bit pixels as Pillow does it, and torchvision on PIL images: the filter grows with
// the shrinking.
#pragma once

#include "image/axis.h"
#include "image/pixels.h"

namespace icepoint {

/// Triangle of radius 1, or Keys' cubic with a = -1/2 of radius 2, in target pixels when shrinking.
enum class Kernel { bilinear, bicubic };

/// The wanted (rows.count, columns.count) pixels of `image` resized to rows.full x columns.full; the
/// sources are the image's sides. Every pixel equals Pillow's Image.resize(size, BILINEAR | BICUBIC) of
/// an 8-bit grey or RGB picture (13.0, x86). Per axis, with r = source / full, q = max(r, 1):
///   centre = (i + 0.5) r; taps x from int(centre - radius q + 0.5) to int(centre + radius q + 0.5), cut
///   at the borders; weight(x) = kernel((x - centre + 0.5) / q), over their sum, all in double;
///   w = weight 2^22 rounded half away from zero; y = clamp((sum p w + 2^21) >> 22, 0, 255)
/// First along the rows' pixels, then down the columns, with 8-bit pixels between; the other way round
/// where the height loses more than twice what the width does (source - full, in pixels): Pillow's rule
/// since 13.0, which matters for pictures more than about twice as high as wide.
Image resize_antialiased(const Image& image, const Axis& rows, const Axis& columns, Kernel kernel);

}  // namespace icepoint
