// The table named "portable".
#include "kernels/portable/table.h"

#include "kernels/reference/table.h"

namespace icepoint {

const Kernels& portable_table() {
  static constexpr Kernels table{
      .name = "portable",
      .conv2d_packed_size = portable::conv2d_packed_size,
      .conv2d_pack = portable::conv2d_pack,
      .conv2d = portable::conv2d,
      .linear_packed_size = portable::linear_packed_size,
      .linear_pack = portable::linear_pack,
      .linear = portable::linear,
      .conv_transpose2d = portable::conv_transpose2d,
      .max_pool2d = portable::max_pool2d,
      .avg_pool2d = portable::avg_pool2d,
      .add = portable::add,
      .mul = portable::mul,
      .affine = portable::affine,
      // The reference's own loops: a load a byte has no vector form, and bilinear's inner loop vectorizes
      // as it stands.
      .lookup = reference::lookup,
      .clamp = portable::clamp,
      .upsample_bilinear = reference::upsample_bilinear,
      .quantize = portable::quantize,
  };
  return table;
}

}  // namespace icepoint
