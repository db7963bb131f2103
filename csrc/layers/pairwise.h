// What qadd and qmul share: two inputs of one extent, or the second with one value per channel.
#pragma once

#include <cassert>

#include "layers/layers.h"

namespace icepoint {

/// Args is the kernel's own; `args` holds all but what a call fills in. b has a's extent or {1, 1, c}.
template <class Args>
class PairwiseLayer final : public Layer {
 public:
  PairwiseLayer(void (*kernel)(const Args&), Extent a, Extent b, const Args& args)
      : kernel_(kernel), broadcast_(b != a), args_(args) {
    assert(b == a || (b == Extent{1, 1, a.c}));
    args_.h = a.h, args_.w = a.w, args_.c = a.c;
  }

  int64_t units(int64_t n) const override { return n * args_.h; }

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    Args args = args_;
    args.a = xs[0], args.b = xs[1], args.y = y;
    if (broadcast_) args.b.row = args.b.pixel = 0;
    args.begin = begin, args.end = end;
    kernel_(args);
  }

 private:
  void (*kernel_)(const Args&);
  bool broadcast_;
  Args args_;
};

}  // namespace icepoint
