// Bilinear resize of 8-bit pixels as OpenCV's INTER_LINEAR does it: two taps an axis, no antialiasing.
#pragma once

#include "image/axis.h"
#include "image/pixels.h"

namespace icepoint {

/// The wanted (rows.count, columns.count) pixels of `image` resized to rows.full x columns.full; the
/// sources are the image's sides. Every pixel equals cv::resize(..., INTER_LINEAR) on uint8 (tried with
/// 4.x and 5.0, x86): per target index i, in this order and in these types,
///   f = float((i + 0.5) * (1 / (double(full) / source)) - 0.5),  s = floor(f),  f = f - s
///   w1 = rne(2048 f),  w0 = rne(2048 (1 - f))
/// Columns beyond the border take its pixel with f = 0; rows take the border's row and keep f, so that
/// the two axes round differently there. With t = w0 p[s] + w1 p[s + 1] along the row,
///   y = (((v0 (t0 >> 4)) >> 16) + ((v1 (t1 >> 4)) >> 16) + 2) >> 2
/// Halving both sides exactly is instead the rounded mean of 2 x 2 pixels, (a + b + c + d + 2) >> 2.
Image resize_opencv_linear(const Image& image, const Axis& rows, const Axis& columns);

}  // namespace icepoint
