// Portable clamp on bytes. A table look-up is one load a byte, as the reference has it.
#include <algorithm>

#include "kernels/portable/table.h"

namespace icepoint::portable {

void clamp(const ClampArgs& a) {
  const uint8_t lo = static_cast<uint8_t>(a.lo), hi = static_cast<uint8_t>(a.hi);
  // Locals, because a store to y might change `a` for all that the compiler knows.
  const uint8_t* __restrict x = a.x;
  uint8_t* __restrict y = a.y;
  const int64_t begin = a.begin, end = a.end;
  for (int64_t i = begin; i < end; ++i) y[i] = std::min(std::max(x[i], lo), hi);
}

}  // namespace icepoint::portable
