// Convolution of narrow groups, one set of functions for each table's vector; a table's qconv2d.cpp asks
// first.
#pragma once

#include "kernels/kernels.h"

namespace icepoint {

struct NarrowKernels {
  size_t (*packed_size)(const Conv2dSpec&);
  void (*pack)(const Conv2dSpec&, void* packed);
  void (*conv2d)(const Conv2dArgs&);
};

/// Depthwise, or 2 or 4 inputs and as many outputs in each of several groups.
inline bool is_narrow(const Conv2dGeometry& g) {
  const int64_t unit = g.ic / g.groups;
  return g.groups > 1 && g.oc == g.ic && (unit == 1 || unit == 2 || unit == 4);
}

namespace portable {
extern const NarrowKernels narrow_kernels;
}
namespace avx2 {
extern const NarrowKernels narrow_kernels;
}
namespace avx512vnni {
extern const NarrowKernels narrow_kernels;
}

}  // namespace icepoint
