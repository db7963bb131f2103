// qadd: clamp(zy + ((a - za) ma + (b - zb) mb + 2^(s-1) >> s)); a negative multiplier subtracts.
#include "kernels/select.h"
#include "ops/pairwise.h"

namespace icepoint::ops {

Tensor qadd(const Tensor& a, int64_t a_zero_point, int64_t a_multiplier, const Tensor& b,
            int64_t b_zero_point, int64_t b_multiplier, int64_t shift, int64_t y_zero_point, int64_t qmin,
            int64_t qmax) {
  const std::string op = "qadd";
  check_tensor(a, {dtype_of<uint8_t>()}, op + ".a");
  check_tensor(b, {dtype_of<uint8_t>()}, op + ".b");
  const int32_t za = code(a_zero_point, op + ".a_zero_point"), zb = code(b_zero_point, op + ".b_zero_point");
  // Below 2^21 the whole sum, 2 * 255 * 2^21 + 2^29, stays in int32.
  constexpr int64_t kMost = (1 << 21) - 1;
  require_range(a_multiplier, -kMost, kMost, op + ".a_multiplier");
  require_range(b_multiplier, -kMost, kMost, op + ".b_multiplier");
  require_range(shift, 1, 30, op + ".shift");
  const OutputRange out = output_range(y_zero_point, qmin, qmax, op);
  if (broadcasts_first(a, b))
    return qadd(b, zb, b_multiplier, a, za, a_multiplier, shift, y_zero_point, qmin, qmax);
  return pairwise(a, b, op, [&](Extent ea, Extent eb) {
    return make_qadd(kernels(), ea, eb, za, static_cast<int32_t>(a_multiplier), zb,
                     static_cast<int32_t>(b_multiplier), static_cast<int32_t>(shift), out);
  });
}

}  // namespace icepoint::ops
