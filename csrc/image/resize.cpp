// The rules of resize.h.
#include "image/resize.h"

#include <algorithm>
#include <string>

#include "core/check.h"
#include "image/pixels.h"

namespace icepoint {

void check_resize(const Resize& r, int64_t height, int64_t width, const char* who) {
  using Fit = Resize::Fit;
  if (r.fit == Fit::crop) {
    const int64_t least = std::max(height, width);
    require(r.shorter_side >= least && r.shorter_side <= kMaxImageSide, who,
            ".shorter_side: ", r.shorter_side, " is not in ", least, " (the model's longer side)..",
            kMaxImageSide);
  } else {
    require(r.shorter_side == 0, who, ".shorter_side: only fit crop has one");
  }
  if (r.fit == Fit::letterbox)
    require_range(r.fill, 0, 255, std::string(who) + ".fill");
  else
    require(r.fill == 0, who, ".fill: only fit letterbox has one");
}

}  // namespace icepoint
