// What qadd and qmul share: two inputs of one extent, or the second with one value per channel.
#pragma once

#include <cassert>

#include "layers/layers.h"
#include "layers/rows.h"

namespace icepoint {

/// Args is the kernel's own; `args` holds all but what a call fills in. b has a's extent or {1, 1, c}.
template <class Args>
class PairwiseLayer final : public Layer {
 public:
  PairwiseLayer(void (*kernel)(const Args&), Extent a, Extent b, const Args& args)
      : kernel_(kernel), extent_(a), broadcast_(b != a), args_(args) {
    assert(b == a || (b == Extent{1, 1, a.c}));
    args_.c = a.c;
  }

  int64_t units(int64_t n) const override { return n * extent_.h; }

  void run(const uint8_t* const* xs, void* y, int64_t, int64_t begin, int64_t end) const override {
    for_each_image(begin, end, extent_.h, [&](int64_t image, int64_t row, int64_t row_end) {
      const int64_t first = (image * extent_.h + row) * extent_.w * extent_.c;
      Args args = args_;
      args.pixels = (row_end - row) * extent_.w;
      args.b_pixels = broadcast_ ? 1 : args.pixels;
      args.a = xs[0] + first;
      args.b = xs[1] + (broadcast_ ? image * extent_.c : first);
      args.y = static_cast<uint8_t*>(y) + first;
      args.begin = 0, args.end = 1;
      kernel_(args);
    });
  }

 private:
  void (*kernel_)(const Args&);
  Extent extent_;
  bool broadcast_;
  Args args_;
};

}  // namespace icepoint
