// Reference qmul: Q((a - za)(b - zb)).
#include "kernels/reference/table.h"

namespace icepoint::reference {

void mul(const MulArgs& a) {
  for (int64_t n = a.begin; n < a.end; ++n) {
    for (int64_t p = 0; p < a.pixels; ++p) {
      const int64_t first = (n * a.pixels + p) * a.c;
      const int64_t b_first = (n * a.b_pixels + (a.b_pixels == 1 ? 0 : p)) * a.c;
      for (int64_t c = 0; c < a.c; ++c) {
        const int32_t product = (a.a[first + c] - a.a_zero_point) * (a.b[b_first + c] - a.b_zero_point);
        a.y[first + c] = static_cast<uint8_t>(
            requantize_clamp(product, a.multiplier, a.shift, a.y_zero_point, a.lo, a.hi));
      }
    }
  }
}

}  // namespace icepoint::reference
