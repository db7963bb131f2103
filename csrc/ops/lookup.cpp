// lookup: y = table[x], one table of 256 codes or one a channel.
#include "core/check.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace icepoint::ops {

Tensor lookup(const Tensor& x, const Tensor& table) {
  const std::string op = "lookup";
  check_tensor(x, {dtype_of<uint8_t>()}, op + ".x");
  check_tensor(table, {dtype_of<uint8_t>()}, op + ".table");
  const bool per_channel = table.dim() == 2;
  const bool channels_fit = (x.dim() == 2 || x.dim() == 4) && per_channel && table.size(0) == x.size(1);
  require((per_channel ? channels_fit : table.dim() == 1) && table.size(table.dim() - 1) == 256, op,
          ".table: has shape ", to_string(shape_of(table)), " for x of shape ", to_string(shape_of(x)),
          ", expected (256), or (C, 256) for (N, C) and (N, C, H, W)");
  const Order order = order_of(x), computed = per_channel ? Order::channels_last : order;
  const Dense<uint8_t> dense(x, computed), codes(table, Order::logical);
  Output<uint8_t> y(shape_of(x), computed, order, op);
  if (x.numel() > 0) {
    const int64_t n = x.dim() == 0 ? 1 : x.size(0);
    const Extent extent = !per_channel   ? Extent{1, 1, x.numel() / n}
                          : x.dim() == 4 ? Extent{x.size(2), x.size(3), x.size(1)}
                                         : Extent{1, 1, x.size(1)};
    const LayerPtr layer = make_lookup(kernels(), extent, codes.span());
    run_layer(*layer, {{dense.data(), extent}}, y.data(), extent, 1, n, x.numel());
  }
  return y.take();
}

}  // namespace icepoint::ops
