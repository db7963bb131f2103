// Reference qadd: clamp(zy + ((a - za) ma + (b - zb) mb + 2^(s-1) >> s)), one rounding for both.
#include <algorithm>

#include "kernels/reference/table.h"

namespace icepoint::reference {

void add(const AddArgs& args) {
  for (int64_t row = args.begin; row < args.end; ++row) {
    const int64_t i = row / args.h, oy = row % args.h;
    for (int64_t p = 0; p < args.w; ++p) {
      const uint8_t *a = args.a.at(i, oy, p), *b = args.b.at(i, oy, p);
      uint8_t* y = args.y.at(i, oy, p);
      for (int64_t c = 0; c < args.c; ++c) {
        // abs(m) < 2^21 and s <= 30: two products of 2^29 and a rounding term of 2^29 fit int32.
        const int32_t sum = (a[c] - args.a_zero_point) * args.a_multiplier +
                            (b[c] - args.b_zero_point) * args.b_multiplier + (1 << (args.shift - 1));
        y[c] = static_cast<uint8_t>(std::clamp(args.y_zero_point + (sum >> args.shift), args.lo, args.hi));
      }
    }
  }
}

}  // namespace icepoint::reference
