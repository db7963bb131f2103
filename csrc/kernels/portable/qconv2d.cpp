// Convolution of the portable table: wide/ over its vector.
#include "kernels/portable/table.h"
#include "kernels/wide/prelude.h"

// After the prelude, as in the other tables.
#include "kernels/portable/vec.h"
#include "kernels/wide/conv2d.h"
#include "kernels/wide/pack.h"
#include "kernels/wide/winograd.h"

namespace icepoint::portable {

size_t conv2d_packed_size(const Conv2dSpec& spec) {
  if (wide::winograd_fits(spec)) return wide::winograd_plan<Vec>(spec).packed_size();
  return wide::conv2d_packed_size<Vec>(spec);
}

void conv2d_pack(const Conv2dSpec& spec, void* packed) {
  if (wide::winograd_fits(spec))
    wide::winograd_pack<Vec>(spec, packed);
  else
    wide::conv2d_pack<Vec>(spec, packed);
}

void conv2d(const Conv2dArgs& args) {
  if (wide::algorithm_of(args.packed) == wide::Algorithm::winograd)
    wide::Winograd<Vec>(args).run();
  else
    wide::Conv2d<Vec>(args).run();
}

}  // namespace icepoint::portable
