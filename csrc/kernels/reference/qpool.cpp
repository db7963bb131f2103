// Reference max and average pools. Windows arrive cut to the input, so padding never wins.
#include <algorithm>

#include "kernels/reference/table.h"

namespace icepoint::reference {

void max_pool2d(const MaxPool2dArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.oh, oy = row % a.oh;
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      for (int64_t c = 0; c < a.c; ++c) {
        uint8_t most = 0;
        for (int64_t j = 0; j < a.rows.count[oy]; ++j) {
          for (int64_t i = 0; i < a.cols.count[ox]; ++i) {
            const int64_t iy = a.rows.begin[oy] + j * a.rows.step;
            const int64_t ix = a.cols.begin[ox] + i * a.cols.step;
            most = std::max(most, a.x.at(image, iy, ix)[c]);
          }
        }
        a.y.at(image, oy, ox)[c] = most;
      }
    }
  }
}

void avg_pool2d(const AvgPool2dArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.oh, oy = row % a.oh;
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      const int32_t which = a.which[oy * a.ow + ox];
      for (int64_t c = 0; c < a.c; ++c) {
        int32_t sum = 0;  // of at most 2^23 taps: below 2^31
        for (int64_t iy = a.rows.begin[oy]; iy < a.rows.begin[oy] + a.rows.count[oy]; ++iy)
          for (int64_t ix = a.cols.begin[ox]; ix < a.cols.begin[ox] + a.cols.count[ox]; ++ix)
            sum += a.x.at(image, iy, ix)[c];
        const int32_t taps = a.rows.count[oy] * a.cols.count[ox];
        a.y.at(image, oy, ox)[c] = static_cast<uint8_t>(requantize_clamp(
            sum - taps * a.x_zero_point, a.multiplier[which], a.shift[which], a.y_zero_point, a.lo, a.hi));
      }
    }
  }
}

}  // namespace icepoint::reference
