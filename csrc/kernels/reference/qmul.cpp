// Reference qmul: Q((a - za)(b - zb)).
#include "kernels/reference/table.h"

namespace icepoint::reference {

void mul(const MulArgs& args) {
  for (int64_t row = args.begin; row < args.end; ++row) {
    const int64_t i = row / args.h, oy = row % args.h;
    for (int64_t p = 0; p < args.w; ++p) {
      const uint8_t *a = args.a.at(i, oy, p), *b = args.b.at(i, oy, p);
      uint8_t* y = args.y.at(i, oy, p);
      for (int64_t c = 0; c < args.c; ++c) {
        const int32_t product = (a[c] - args.a_zero_point) * (b[c] - args.b_zero_point);
        y[c] = static_cast<uint8_t>(
            requantize_clamp(product, args.multiplier, args.shift, args.y_zero_point, args.lo, args.hi));
      }
    }
  }
}

}  // namespace icepoint::reference
