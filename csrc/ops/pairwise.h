// Two inputs elementwise, or (N, C, 1, 1) against (N, C, H, W): what qadd and qmul share.
#pragma once

#include <algorithm>
#include <string>

#include "core/check.h"
#include "ops/ops.h"

namespace icepoint::ops {

/// make(a_extent, b_extent) builds the layer; a has at least b's elements (the caller swaps).
template <class Make>
Tensor pairwise(const Tensor& a, const Tensor& b, const std::string& op, const Make& make) {
  const Order order = order_of(a);
  const bool same = shape_of(a) == shape_of(b);
  require(same || (a.dim() == 4 && b.dim() == 4 && a.size(0) == b.size(0) && a.size(1) == b.size(1) &&
                   b.size(2) == 1 && b.size(3) == 1),
          op, ": shapes are ", to_string(shape_of(a)), " and ", to_string(shape_of(b)),
          ", expected equal ones or (N, C, H, W) with (N, C, 1, 1)");
  // Equal shapes are one long row an image in whatever order; broadcasting needs channels last.
  const Order computed = same ? order : Order::channels_last;
  const int64_t n = a.dim() == 0 ? 1 : a.size(0), per_image = n == 0 ? 0 : a.numel() / n;
  const Dense<uint8_t> da(a, computed), db(b, computed);
  Output<uint8_t> y(shape_of(a), computed, order, op);
  const Extent ea = same ? Extent{1, 1, per_image} : Extent{a.size(2), a.size(3), a.size(1)};
  const Extent eb = same ? ea : Extent{1, 1, a.size(1)};
  if (a.numel() > 0) {
    const LayerPtr layer = make(ea, eb);
    run_layer(*layer, {{da.data(), ea}, {db.data(), eb}}, y.data(), ea, 1, n, a.numel());
  }
  return y.take();
}

/// Whether a is the (N, C, 1, 1) one: then the operands change places, which changes no byte.
inline bool broadcasts_first(const Tensor& a, const Tensor& b) {
  return a.dim() == 4 && b.dim() == 4 && a.size(2) == 1 && a.size(3) == 1 && b.size(2) * b.size(3) != 1;
}

}  // namespace icepoint::ops
