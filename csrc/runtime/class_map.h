// From outputs to a class for each pixel.
#pragma once

#include "format/file.h"
#include "image/pixels.h"

namespace icepoint {

/// Requires that output 0 is a map: codes (classes, h, w) with 2..256 classes, and no function or one along
/// the classes (softmax, log_softmax, argmax). `who` opens the message.
void require_class_map(const ModelFile&, const std::string& who);

/// The class of each pixel, (h, w, 1), of the reals (classes, h, w) of output 0 before any function: the
/// index of the largest, the first of equals, which is argmax(0) of the logits.
Image class_map(const ModelFile&, const float* reals);

}  // namespace icepoint
