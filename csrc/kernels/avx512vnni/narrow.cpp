// Convolution of narrow groups of the avx512vnni table: wide/ over its vector.
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX512VNNI
#include "kernels/avx512vnni/vec.h"
// After the vector, in this order: one stands on the other.
#include "kernels/avx512vnni/vec_narrow.h"
#include "kernels/wide/narrow_conv2d.h"

namespace icepoint::avx512vnni {

using Kernel = wide::NarrowConv2d<NarrowVec>;
const NarrowKernels narrow_kernels{Kernel::packed_size, Kernel::pack, Kernel::run};

}  // namespace icepoint::avx512vnni

ICEPOINT_TARGET_END
#endif
