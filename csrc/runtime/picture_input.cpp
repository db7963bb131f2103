// The steps of picture_input.h, one after the other.
#include "runtime/picture_input.h"

#include <utility>

#include "core/check.h"
#include "image/prepare.h"

namespace icepoint {
namespace {

PixelTable table_of(const ModelFile& file) {
  const Recipe& r = file.recipe;
  require(r.channels > 0,
          "the model has no input recipe and takes no pictures; give it float32 in a .npy or .pt file");
  return {r.divide, r.mean, r.std, file.graph.inputs[0].q};
}

}  // namespace

PictureInput::PictureInput(const ModelFile& file)
    : channels_(file.recipe.channels),
      height_(file.recipe.height),
      width_(file.recipe.width),
      resize_(file.recipe.resize),
      table_(table_of(file)) {}

void PictureInput::codes(Image picture, uint8_t* to) const {
  const Image ready = prepare_picture(std::move(picture), resize_, channels_, height_, width_);
  table_.apply(ready.data.data(), 1, height_ * width_, to);
}

}  // namespace icepoint
