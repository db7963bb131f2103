// requantize: int32 accumulators to uint8 codes (section 3 of docs/numerics.md).
#include "core/requantize.h"

#include "ops/channels.h"
#include "ops/ops.h"

namespace icepoint::ops {

Tensor requantize(const Tensor& acc, const Tensor& multiplier, const Tensor& shift, int64_t zero_point,
                  int64_t qmin, int64_t qmax, Axis axis) {
  const std::string op = "requantize";
  check_tensor(acc, {dtype_of<int32_t>()}, op + ".acc");
  const Order order = order_of(acc);
  const ChannelSplit split = split_channels(acc, order, axis, op);
  OutputRange out = output_range(0, qmin, qmax, op);
  out.zero_point = code(zero_point, op + ".zero_point");
  const Requantization r = requantization(multiplier, shift, split.channels, out, op);

  const Dense<int32_t> dense(acc, order);
  Output<uint8_t> y(shape_of(acc), order, order, op);
  uint8_t* codes = y.data();
  for_each_channel_piece(split, [&](size_t c, int64_t begin, int64_t end) {
    const int32_t m = r.multiplier[r.multiplier.size() == 1 ? 0 : c],
                  s = r.shift[r.shift.size() == 1 ? 0 : c];
    for (int64_t i = begin; i < end; ++i)
      codes[i] =
          static_cast<uint8_t>(requantize_clamp(dense.data()[i], m, s, out.zero_point, out.lo, out.hi));
  });
  return y.take();
}

}  // namespace icepoint::ops
