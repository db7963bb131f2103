// Reference float steps: quantize, and the edges of a graph, load (floats to codes) and store (back).
#include "core/qparams.h"
#include "kernels/reference/table.h"

namespace icepoint::reference {

// clamp(rne(x / scale) + zero_point, lo, hi), a division and a rounding in float32.
void quantize(const QuantizeArgs& a) {
  for (int64_t i = a.begin; i < a.end; ++i) {
    const int32_t code = quantize_value(a.x[i], a.scale, a.zero_point, a.lo, a.hi);
    if (a.lo < 0)
      static_cast<int8_t*>(a.y)[i] = static_cast<int8_t>(code);
    else
      static_cast<uint8_t*>(a.y)[i] = static_cast<uint8_t>(code);
  }
}

void load(const LoadArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.h, y = row % a.h;
    for (int64_t c = 0; c < a.c; ++c) {
      const float* x = a.x + ((image * a.c + c) * a.h + y) * a.w;
      for (int64_t p = 0; p < a.w; ++p)
        a.y.at(image, y, p)[c] = static_cast<uint8_t>(quantize_value(x[p], a.scale, a.zero_point, 0, a.hi));
    }
  }
}

void store(const StoreArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.h, y = row % a.h;
    for (int64_t c = 0; c < a.c; ++c) {
      float* to = a.y + ((image * a.c + c) * a.h + y) * a.w;
      for (int64_t p = 0; p < a.w; ++p)
        to[p] = static_cast<float>(a.x.at(image, y, p)[c] - a.zero_point) * a.scale;
    }
  }
}

}  // namespace icepoint::reference
