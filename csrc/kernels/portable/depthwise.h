// Depthwise convolution (one channel a group): channels are the vector lanes.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace icepoint::portable {

/// One input and one output channel a group, and enough of them to fill a vector.
inline bool is_depthwise(const Conv2dGeometry& g) {
  return g.groups >= 8 && g.ic == g.groups && g.oc == g.groups;
}

size_t depthwise_packed_size(const Conv2dGeometry&);
void depthwise_pack(const Conv2dGeometry&, const int16_t* weight, int16_t* packed);
void depthwise(const Conv2dArgs&);

}  // namespace icepoint::portable
