// qadd prepared: two inputs, their multipliers and one shift; b may be one value per channel.
#include "layers/pairwise.h"

namespace icepoint {

LayerPtr make_qadd(const Kernels& kernels, Extent a, Extent b, int32_t a_zero_point, int32_t a_multiplier,
                   int32_t b_zero_point, int32_t b_multiplier, int32_t shift, OutputRange out) {
  AddArgs args{};
  args.a_zero_point = a_zero_point, args.a_multiplier = a_multiplier;
  args.b_zero_point = b_zero_point, args.b_multiplier = b_multiplier;
  args.shift = shift;
  args.y_zero_point = out.zero_point, args.lo = out.lo, args.hi = out.hi;
  return std::make_unique<PairwiseLayer<AddArgs>>(kernels.add, a, b, args);
}

}  // namespace icepoint
