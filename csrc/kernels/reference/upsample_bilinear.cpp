// Reference bilinear up-sampling: weights in units of 2^-11 per axis, one rounding for both axes.
#include "kernels/reference/table.h"

namespace icepoint::reference {

void upsample_bilinear(const UpsampleBilinearArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.oh, oy = row % a.oh;
    const int32_t wy = a.row_weight[oy];
    const int64_t top = a.row_index[oy], bottom = wy == 0 ? top : top + 1;  // the row below may not exist
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      const int32_t wx = a.col_weight[ox];
      const int64_t left = a.col_index[ox], right = wx == 0 ? left : left + 1;
      const uint8_t *x00 = a.x.at(image, top, left), *x01 = a.x.at(image, top, right);
      const uint8_t *x10 = a.x.at(image, bottom, left), *x11 = a.x.at(image, bottom, right);
      // The four weights add up to 2^22, so the sum is at most 255 * 2^22 < 2^30.
      const int32_t w00 = (2048 - wy) * (2048 - wx), w01 = (2048 - wy) * wx;
      const int32_t w10 = wy * (2048 - wx), w11 = wy * wx;
      uint8_t* y = a.y.at(image, oy, ox);
      for (int64_t c = 0; c < a.c; ++c) {
        const int32_t sum = x00[c] * w00 + x01[c] * w01 + x10[c] * w10 + x11[c] * w11;
        y[c] = static_cast<uint8_t>((sum + (1 << 21)) >> 22);
      }
    }
  }
}

}  // namespace icepoint::reference
