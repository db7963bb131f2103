// EXIF orientation: finding the tag, and turning the picture upright by moving whole pixels.
#pragma once

#include <cstdint>
#include <span>

#include "image/pixels.h"

namespace icepoint {

/// The orientation 1..8 that a TIFF block holds (what follows "Exif\0\0" in a JPEG, or a PNG's eXIf
/// chunk): tag 0x0112 of its first directory, one SHORT. 1 (upright) where there is none, where it
/// is not in 1..8 and where the block is malformed: a bad tag must not make a good picture unreadable.
int exif_orientation(std::span<const uint8_t> tiff);

/// Turns a stored picture upright. With stored (row, column), H x W, the upright pixel (i, j) is
///   1 (i, j)       2 (i, W-1-j)      3 (H-1-i, W-1-j)   4 (H-1-i, j)
///   5 (j, i)       6 (H-1-j, i)      7 (H-1-j, W-1-i)   8 (j, W-1-i)
/// so 5..8 swap height and width (TIFF 6.0, "Orientation").
Image orient(Image stored, int orientation);

}  // namespace icepoint
