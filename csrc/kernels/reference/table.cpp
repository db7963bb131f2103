// The table named "reference".
#include "kernels/reference/table.h"

namespace icepoint {

const Kernels& reference_table() {
  static constexpr Kernels table{
      .name = "reference",
      .conv2d_packed_size = reference::conv2d_packed_size,
      .conv2d_pack = reference::conv2d_pack,
      .conv2d = reference::conv2d,
      .conv_transpose2d = reference::conv_transpose2d,
      .max_pool2d = reference::max_pool2d,
      .avg_pool2d = reference::avg_pool2d,
      .add = reference::add,
      .mul = reference::mul,
      .affine = reference::affine,
      .lookup = reference::lookup,
      .clamp = reference::clamp,
      .upsample_bilinear = reference::upsample_bilinear,
      .quantize = reference::quantize,
      .load = reference::load,
      .store = reference::store,
  };
  return table;
}

}  // namespace icepoint
