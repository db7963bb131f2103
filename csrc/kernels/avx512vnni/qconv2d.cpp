// Convolution of the avx512vnni table: wide/ over its vector.
#include "kernels/avx512vnni/table.h"
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX512VNNI
#include "kernels/avx512vnni/vec.h"
#include "kernels/wide/conv2d.h"
#include "kernels/wide/few_steps.h"
#include "kernels/wide/winograd.h"

namespace icepoint::avx512vnni {

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  if (is_narrow(spec.g)) return narrow_kernels.packed_size(spec);
  if (wide::winograd_fits(spec)) return wide::winograd_plan<Vec>(spec).packed_size();
  return wide::conv2d_packed_size<Vec>(spec);
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  if (is_narrow(spec.g)) return narrow_kernels.pack(spec, packed);
  if (wide::winograd_fits(spec)) return wide::winograd_pack<Vec>(spec, packed);
  wide::conv2d_pack<Vec>(spec, packed);
}

void conv2d(const Conv2dArgs& args) {
  if (is_narrow(*args.g)) return narrow_kernels.conv2d(args);
  if (wide::algorithm_of(args.packed) == wide::Algorithm::winograd) return wide::Winograd<Vec>(args).run();
  // 32 registers hold a small reduction's weights; the other tables have 16.
  if (wide::has_few_steps(*static_cast<const wide::Plan*>(args.packed)))
    return wide::FewSteps<Vec>(args).run();
  wide::Conv2d<Vec>(args).run();
}

}  // namespace icepoint::avx512vnni

ICEPOINT_TARGET_END
#endif
