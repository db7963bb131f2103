// qupsample_bilinear2d: codes between their neighbours, by exact weights of eleven bits.
#include "core/check.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace icepoint::ops {

Tensor qupsample_bilinear2d(const Tensor& x, Ints output_size, bool align_corners) {
  const std::string op = "qupsample_bilinear2d";
  check_tensor(x, {dtype_of<uint8_t>()}, op + ".x");
  check_rank(x, 4, "(N, C, H, W)", op + ".x");
  for (int d : {1, 2, 3})
    require(x.size(d) > 0, op, ".x: has shape ", to_string(shape_of(x)), ", expected C, H, W of at least 1");
  const auto out = pair(output_size, op + ".output_size");
  for (int64_t size : out) require_range(size, 1, kMaxWindow, op + ".output_size");
  const Extent from{x.size(2), x.size(3), x.size(1)}, to{out[0], out[1], from.c};
  const Dense<uint8_t> dense(x, Order::channels_last);
  Output<uint8_t> y({x.size(0), from.c, to.h, to.w}, Order::channels_last, order_of(x), op);
  const LayerPtr layer = make_upsample_bilinear(kernels(), from, out, align_corners);
  run_layer(*layer, {{dense.data(), from}}, y.data(), to, 1, x.size(0), 4 * x.size(0) * to.numel());
  return y.take();
}

}  // namespace icepoint::ops
