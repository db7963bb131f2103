// Reference qadd: clamp(zy + ((a - za) ma + (b - zb) mb + 2^(s-1) >> s)), one rounding for both.
#include <algorithm>

#include "kernels/reference/table.h"

namespace icepoint::reference {

void add(const AddArgs& a) {
  for (int64_t n = a.begin; n < a.end; ++n) {
    for (int64_t p = 0; p < a.pixels; ++p) {
      for (int64_t c = 0; c < a.c; ++c) {
        const int64_t i = (n * a.pixels + p) * a.c + c;
        const int64_t j = (n * a.b_pixels + (a.b_pixels == 1 ? 0 : p)) * a.c + c;
        // abs(m) < 2^21 and s <= 30: two products of 2^29 and a rounding term of 2^29 fit int32.
        const int32_t sum = (a.a[i] - a.a_zero_point) * a.a_multiplier +
                            (a.b[j] - a.b_zero_point) * a.b_multiplier + (1 << (a.shift - 1));
        a.y[i] = static_cast<uint8_t>(std::clamp(a.y_zero_point + (sum >> a.shift), a.lo, a.hi));
      }
    }
  }
}

}  // namespace icepoint::reference
