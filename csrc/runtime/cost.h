// What a node of a proved graph costs: multiplications, parameters, work.
#pragma once

#include "graph/validate.h"

namespace icepoint {

struct Cost {
  int64_t macs = 0;    // multiply-accumulates of one image; 0 but for convolutions and linear layers
  int64_t params = 0;  // weights and biases
  int64_t work = 1;    // rough operations of one image, to split layers among threads; at least 1
};

Cost cost_of(const Graph&, const Proof&, int64_t node);

/// Shape of a weight as the operator sees it: (oc, ic / groups, kh, kw), (ic, oc / groups, kh, kw) or
/// (out, in). `x` is the input's logical shape.
Shape weight_shape(const QConv2d&, const Shape& x);
Shape weight_shape(const QConvTranspose2d&, const Shape& x);
Shape weight_shape(const QLinear&, const Shape& x);

}  // namespace icepoint
