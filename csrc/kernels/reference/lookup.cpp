// Reference lookup (y = table[x]) and clamp (y = min(max(x, lo), hi)).
#include <algorithm>

#include "kernels/reference/table.h"

namespace icepoint::reference {

void lookup(const LookupArgs& a) {
  for (int64_t p = a.begin; p < a.end; ++p)
    for (int64_t c = 0; c < a.c; ++c)
      a.y[p * a.c + c] = a.table[(a.per_channel ? c * 256 : 0) + a.x[p * a.c + c]];
}

void clamp(const ClampArgs& a) {
  for (int64_t i = a.begin; i < a.end; ++i)
    a.y[i] = static_cast<uint8_t>(std::min(std::max<int32_t>(a.x[i], a.lo), a.hi));
}

}  // namespace icepoint::reference
