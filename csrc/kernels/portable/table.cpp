// The table named "portable": its convolution, and wide/ over its vectors for the rest.
#include "kernels/portable/table.h"

#include "kernels/portable/codes.h"
#include "kernels/wide/add.h"
#include "kernels/wide/affine.h"
#include "kernels/wide/clamp.h"
#include "kernels/wide/conv_transpose2d.h"
#include "kernels/wide/lookup.h"
#include "kernels/wide/mul.h"
#include "kernels/wide/pool.h"
#include "kernels/wide/prelude.h"
#include "kernels/wide/quantize.h"
#include "kernels/wide/store.h"
#include "kernels/wide/upsample_bilinear.h"

namespace icepoint {

const Kernels& portable_table() {
  using portable::Codes;
  static constexpr Kernels table{
      .name = "portable",
      .conv2d_packed_size = portable::conv2d_packed_size,
      .conv2d_pack = portable::conv2d_pack,
      .conv2d = portable::conv2d,
      .conv_transpose2d = wide::conv_transpose2d<Codes>,
      .max_pool2d = wide::max_pool2d<Codes>,
      .avg_pool2d = wide::avg_pool2d<Codes>,
      .add = wide::add<Codes>,
      .mul = wide::mul<Codes>,
      .affine = wide::affine<Codes>,
      .lookup = wide::lookup<Codes>,
      .clamp = wide::clamp<Codes>,
      .upsample_bilinear = wide::upsample_bilinear<Codes>,
      .quantize = wide::quantize<Codes>,
      .load = wide::load<Codes>,
      .store = wide::store<Codes>,
  };
  return table;
}

}  // namespace icepoint
