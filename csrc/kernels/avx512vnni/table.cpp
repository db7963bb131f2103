// The table named "avx512vnni": its convolution, and wide/ over its vectors for the rest.
#include "kernels/avx512vnni/table.h"

#include "kernels/cpu.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX512VNNI
#include "kernels/avx512vnni/codes.h"
#include "kernels/wide/add.h"
#include "kernels/wide/affine.h"
#include "kernels/wide/clamp.h"
#include "kernels/wide/conv_transpose2d.h"
#include "kernels/wide/lookup.h"
#include "kernels/wide/mul.h"
#include "kernels/wide/pool.h"
#include "kernels/wide/quantize.h"
#include "kernels/wide/store.h"
#include "kernels/wide/upsample_bilinear.h"
ICEPOINT_TARGET_END

namespace icepoint {

namespace {

// Outside the region: a CPU without VBMI comes here too.
void lookup(const LookupArgs& a) {
  if (cpu().avx512vbmi && !a.per_channel)
    avx512vnni::lookup_vbmi(a);
  else
    wide::lookup<avx512vnni::Codes>(a);
}

}  // namespace

const Kernels& avx512vnni_table() {
  using avx512vnni::Codes;
  static constexpr Kernels table{
      .name = "avx512vnni",
      .conv2d_packed_size = avx512vnni::conv2d_packed_size,
      .conv2d_pack = avx512vnni::conv2d_pack,
      .conv2d = avx512vnni::conv2d,
      .conv_transpose2d = wide::conv_transpose2d<Codes>,
      .max_pool2d = wide::max_pool2d<Codes>,
      .avg_pool2d = wide::avg_pool2d<Codes>,
      .add = wide::add<Codes>,
      .mul = wide::mul<Codes>,
      .affine = wide::affine<Codes>,
      .lookup = lookup,
      .clamp = wide::clamp<Codes>,
      .upsample_bilinear = wide::upsample_bilinear<Codes>,
      .quantize = wide::quantize<Codes>,
      .load = wide::load<Codes>,
      .store = wide::store<Codes>,
  };
  return table;
}

}  // namespace icepoint
#endif
