// From a decoded picture of any size to pixels of the model's: the one entry of Python and the executable.
#pragma once

#include "image/pixels.h"
#include "image/resize.h"

namespace icepoint {

/// (height, width, channels) pixels of an upright grey or RGB picture; channels is 1 or 3. RGB becomes
/// grey before the resize, grey becomes RGB after it. With h x w the picture's sides:
///   none       the sides have to be the model's
///   letterbox  s = min(height / h, width / w) in double; the picture at max(rne(h s), 1) x
///              max(rne(w s), 1), top left, the rest `fill`
///   crop       the shorter side becomes shorter_side, the longer int(shorter_side longer / shorter) by a
///              division in double; of it the centre, from rne((full - wanted) / 2) on: torchvision's
///              resize and center_crop
///   stretch    straight to height x width
/// Throws std::invalid_argument for other channels, sides or areas beyond check_image_size, and a picture
/// that `none` does not take.
Image prepare_picture(Image picture, const Resize&, int64_t channels, int64_t height, int64_t width);

}  // namespace icepoint
