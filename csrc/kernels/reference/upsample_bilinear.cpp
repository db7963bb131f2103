// Reference bilinear up-sampling: weights in units of 2^-11 per axis, one rounding for both axes.
#include "kernels/reference/table.h"

namespace icepoint::reference {

void upsample_bilinear(const UpsampleBilinearArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t oy = row % a.oh;
    const int32_t wy = a.row_weight[oy];
    const uint8_t* top = a.x + (row / a.oh * a.h + a.row_index[oy]) * a.w * a.c;
    const uint8_t* bottom = wy == 0 ? top : top + a.w * a.c;  // the row below may not exist
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      const int32_t wx = a.col_weight[ox];
      const int64_t left = a.col_index[ox] * a.c, right = wx == 0 ? left : left + a.c;
      // The four weights add up to 2^22, so the sum is at most 255 * 2^22 < 2^30.
      const int32_t w00 = (2048 - wy) * (2048 - wx), w01 = (2048 - wy) * wx;
      const int32_t w10 = wy * (2048 - wx), w11 = wy * wx;
      uint8_t* y = a.y + (row * a.ow + ox) * a.c;
      for (int64_t c = 0; c < a.c; ++c) {
        const int32_t sum =
            top[left + c] * w00 + top[right + c] * w01 + bottom[left + c] * w10 + bottom[right + c] * w11;
        y[c] = static_cast<uint8_t>((sum + (1 << 21)) >> 22);
      }
    }
  }
}

}  // namespace icepoint::reference
