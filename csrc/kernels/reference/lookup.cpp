// Reference lookup (y = table[x]) and clamp (y = min(max(x, lo), hi)).
#include <algorithm>

#include "kernels/reference/table.h"

namespace icepoint::reference {

void lookup(const LookupArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    for (int64_t p = 0; p < a.w; ++p) {
      const uint8_t* x = a.x.at(row / a.h, row % a.h, p);
      uint8_t* y = a.y.at(row / a.h, row % a.h, p);
      for (int64_t c = 0; c < a.c; ++c) y[c] = a.table[(a.per_channel ? c * 256 : 0) + x[c]];
    }
  }
}

void clamp(const ClampArgs& a) {
  for (int64_t row = a.begin; row < a.end; ++row) {
    for (int64_t p = 0; p < a.w; ++p) {
      const uint8_t* x = a.x.at(row / a.h, row % a.h, p);
      uint8_t* y = a.y.at(row / a.h, row % a.h, p);
      for (int64_t c = 0; c < a.c; ++c)
        y[c] = static_cast<uint8_t>(std::min(std::max<int32_t>(x[c], a.lo), a.hi));
    }
  }
}

}  // namespace icepoint::reference
