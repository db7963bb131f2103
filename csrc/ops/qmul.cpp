// qmul: Q((a - za) (b - zb)).
#include "kernels/select.h"
#include "ops/pairwise.h"

namespace icepoint::ops {

Tensor qmul(const Tensor& a, int64_t a_zero_point, const Tensor& b, int64_t b_zero_point, int64_t multiplier,
            int64_t shift, int64_t y_zero_point, int64_t qmin, int64_t qmax) {
  const std::string op = "qmul";
  check_tensor(a, {dtype_of<uint8_t>()}, op + ".a");
  check_tensor(b, {dtype_of<uint8_t>()}, op + ".b");
  const int32_t za = code(a_zero_point, op + ".a_zero_point"), zb = code(b_zero_point, op + ".b_zero_point");
  check_multiplier(multiplier, shift, op);
  const OutputRange out = output_range(y_zero_point, qmin, qmax, op);
  if (broadcasts_first(a, b)) return qmul(b, zb, a, za, multiplier, shift, y_zero_point, qmin, qmax);
  return pairwise(a, b, op, [&](Extent ea, Extent eb) {
    return make_qmul(kernels(), ea, eb, za, zb, static_cast<int32_t>(multiplier), static_cast<int32_t>(shift),
                     out);
  });
}

}  // namespace icepoint::ops
