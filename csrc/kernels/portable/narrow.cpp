// Convolution of narrow groups of the portable table: wide/ over its vector.
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/prelude.h"
// After the prelude, in this order: one stands on the other.
#include "kernels/portable/vec.h"
#include "kernels/portable/vec_narrow.h"
// And after the vector.
#include "kernels/wide/narrow_conv2d.h"

namespace icepoint::portable {

using Kernel = wide::NarrowConv2d<NarrowVec>;
const NarrowKernels narrow_kernels{Kernel::packed_size, Kernel::pack, Kernel::run};

}  // namespace icepoint::portable
