// A model's picture input: any decoded picture to the codes of its first input, by the recipe in the file.
#pragma once

#include "format/file.h"
#include "image/pixels.h"
#include "image/recipe_table.h"

namespace icepoint {

/// Resize, channels and the table of codes: integers only, the same for Python and the executable.
class PictureInput {
 public:
  /// Throws std::invalid_argument where the file has no input recipe.
  explicit PictureInput(const ModelFile&);

  /// Elements of one picture's codes, channels * height * width.
  int64_t count() const { return channels_ * height_ * width_; }

  /// Writes the codes (channels, height, width) of an upright grey or RGB picture. Throws
  /// std::invalid_argument for a picture that prepare_picture does not take.
  void codes(Image picture, uint8_t* to) const;

 private:
  int64_t channels_, height_, width_;
  Resize resize_;
  PixelTable table_;
};

}  // namespace icepoint
