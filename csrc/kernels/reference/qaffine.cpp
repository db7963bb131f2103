// Reference qaffine: clamp(zy + ((x - zx) m + b + 2^(s-1) >> s)) with m, b, s of the channel.
#include <algorithm>

#include "kernels/reference/table.h"

namespace icepoint::reference {

void affine(const AffineArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    for (int64_t p = 0; p < a.w; ++p) {
      const uint8_t* x = a.x.at(row / a.h, row % a.h, p);
      uint8_t* y = a.y.at(row / a.h, row % a.h, p);
      for (int64_t c = 0; c < a.c; ++c) {
        // abs(b) + 255 abs(m) + 2^(s-1) < 2^31: the sum fits int32.
        const int32_t sum = (x[c] - a.x_zero_point) * a.multiplier[c] + a.offset[c] + (1 << (a.shift[c] - 1));
        y[c] = static_cast<uint8_t>(std::clamp(a.y_zero_point + (sum >> a.shift[c]), a.lo, a.hi));
      }
    }
  }
}

}  // namespace icepoint::reference
