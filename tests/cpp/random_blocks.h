// Random runs of nodes that a plan fuses: residual blocks, pooled convolutions, heads behind a flatten.
#pragma once

#include "random_layers.h"

namespace icepoint {

class RandomBlocks : protected RandomLayers {
 protected:
  using RandomLayers::RandomLayers;

  /// conv, perhaps a clamp, an addition with v or with another convolution of it, perhaps a clamp.
  void residual_block(int64_t v, const Shape& x, const QParams& q) {
    int64_t other = v;
    if (pick(0, 2) == 0) other = maybe_clamp(same_conv(v, x, q));
    const int64_t conv = maybe_clamp(same_conv(v, x, q));
    if (pick(0, 5) == 0) clamp(v, x, q);  // a node between, which reads the input once more
    QAdd op{pick(-2000, 2000), pick(-2000, 2000), 11};
    const QParams y = qparams();
    set_range(op, y);
    const bool swap = pick(0, 1);
    maybe_clamp(append(op, {swap ? other : conv, swap ? conv : other}, x, y));
  }

  /// conv, perhaps a clamp, a 2x2 max pool that a plan may or may not fuse.
  void pooled_conv(int64_t v, const Shape& x, const QParams& q) {
    conv(v, x, q, qparams());
    const int64_t from = maybe_clamp(graph_.value_count() - 1);
    QMaxPool2d op;
    op.kernel_size = op.stride = {2, 2};
    op.ceil_mode = pick(0, 1);
    const Shape shape = pooled(op, values_[from].shape, op.ceil_mode, values_[from].shape[0]);
    if (shape[1] > 0 && shape[2] > 0) append(op, {from}, shape);
  }

  /// A flatten with one linear layer behind it, or two.
  void head(int64_t v, const Shape& x) {
    const QParams q = values_[v].q;
    const Shape flat{*numel(x)};
    const int64_t vector = append(Reshape{flat}, {v}, flat);
    for (int64_t i = pick(1, 2); i > 0; --i) linear(vector, flat, q, qparams());
  }

 private:
  int64_t same_conv(int64_t v, const Shape& x, const QParams& q) {
    const QParams y = qparams();
    QConv2d op;
    const int64_t k = pick(0, 1) ? 3 : 1;
    op.kernel_size = {k, k};
    op.padding = {k / 2, k / 2, k / 2, k / 2};
    op.groups = divisor_of(x[0]);
    op.out_channels = x[0];
    op.weights = weights({x[0], x[0] / op.groups, k, k}, x[0], q, y);
    set_range(op, y);
    return append(op, {v}, x, y);
  }

  int64_t maybe_clamp(int64_t v) {
    if (pick(0, 1)) clamp(v, values_[v].shape, values_[v].q);
    return graph_.value_count() - 1;
  }
};

}  // namespace icepoint
