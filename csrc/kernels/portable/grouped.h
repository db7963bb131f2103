// Convolution of narrow groups (depthwise, and its neighbours): output channels are the vector lanes.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace icepoint::portable {

/// Groups of one input and one or two output channels, or of 2, 4 or 8 of both: eight output channels then
/// read eight neighbouring input channels, or four.
inline bool is_narrow(const Conv2dGeometry& g) {
  const int64_t ic = g.ic / g.groups, oc = g.oc / g.groups;
  return g.groups > 1 && ((ic == 1 && oc <= 2) || (ic == oc && (ic == 2 || ic == 4 || ic == 8)));
}

size_t grouped_packed_size(const Conv2dGeometry&);
void grouped_pack(const Conv2dGeometry&, const int16_t* weight, int16_t* packed);
void grouped(const Conv2dArgs&);

}  // namespace icepoint::portable
