// Reference quantize: clamp(rne(x / scale) + zero_point, lo, hi), a division and a rounding in float32.
#include "core/qparams.h"
#include "kernels/reference/table.h"

namespace icepoint::reference {

void quantize(const QuantizeArgs& a) {
  for (int64_t i = a.begin; i < a.end; ++i) {
    const int32_t code = quantize_value(a.x[i], a.scale, a.zero_point, a.lo, a.hi);
    if (a.lo < 0)
      static_cast<int8_t*>(a.y)[i] = static_cast<int8_t>(code);
    else
      static_cast<uint8_t*>(a.y)[i] = static_cast<uint8_t>(code);
  }
}

}  // namespace icepoint::reference
