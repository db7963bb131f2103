// qaffine prepared: a BatchNorm that no convolution took in, one multiplier, offset, shift a channel.
#include <cassert>

#include "layers/layers.h"

namespace icepoint {

namespace {

class QAffineLayer final : public Layer {
 public:
  QAffineLayer(const Kernels& kernels, Extent x, int32_t x_zero_point, std::span<const int32_t> multiplier,
               std::span<const int32_t> offset, std::span<const int32_t> shift, OutputRange out)
      : kernels_(kernels),
        extent_(x),
        x_zero_point_(x_zero_point),
        multiplier_(multiplier.begin(), multiplier.end()),
        offset_(offset.begin(), offset.end()),
        shift_(shift.begin(), shift.end()),
        out_(out) {
    assert(static_cast<int64_t>(multiplier.size()) == x.c);
    assert(static_cast<int64_t>(offset.size()) == x.c && static_cast<int64_t>(shift.size()) == x.c);
  }

  int64_t units(int64_t n) const override { return n * extent_.h; }

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    kernels_.affine({.x = xs[0],
                     .y = y,
                     .h = extent_.h,
                     .w = extent_.w,
                     .c = extent_.c,
                     .multiplier = multiplier_.data(),
                     .offset = offset_.data(),
                     .shift = shift_.data(),
                     .x_zero_point = x_zero_point_,
                     .y_zero_point = out_.zero_point,
                     .lo = out_.lo,
                     .hi = out_.hi,
                     .begin = begin,
                     .end = end});
  }

  int64_t bytes() const override { return 3 * 4 * static_cast<int64_t>(multiplier_.size()); }

 private:
  const Kernels& kernels_;
  Extent extent_;
  int32_t x_zero_point_;
  std::vector<int32_t> multiplier_, offset_, shift_;
  OutputRange out_;
};

}  // namespace

LayerPtr make_qaffine(const Kernels& kernels, Extent x, int32_t x_zero_point,
                      std::span<const int32_t> multiplier, std::span<const int32_t> offset,
                      std::span<const int32_t> shift, OutputRange out) {
  return std::make_unique<QAffineLayer>(kernels, x, x_zero_point, multiplier, offset, shift, out);
}

}  // namespace icepoint
