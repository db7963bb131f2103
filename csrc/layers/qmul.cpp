// qmul prepared: Q((a - za)(b - zb)); b may be one value per channel.
#include "layers/pairwise.h"

namespace icepoint {

LayerPtr make_qmul(const Kernels& kernels, Extent a, Extent b, int32_t a_zero_point, int32_t b_zero_point,
                   int32_t multiplier, int32_t shift, OutputRange out) {
  MulArgs args{};
  args.a_zero_point = a_zero_point, args.b_zero_point = b_zero_point;
  args.multiplier = multiplier, args.shift = shift;
  args.y_zero_point = out.zero_point, args.lo = out.lo, args.hi = out.hi;
  return std::make_unique<PairwiseLayer<MulArgs>>(kernels.mul, a, b, args);
}

}  // namespace icepoint
