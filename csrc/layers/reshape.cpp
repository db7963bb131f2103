// reshape prepared: the same elements in logical order, from one storage order into another.
#include <cassert>

#include "layers/layers.h"

namespace icepoint {

namespace {

// Walks a value's storage in logical order. (c, h, w) lies as rows of pixels of channels: the next logical
// element is a pixel on, and behind the last pixel comes the first pixel's next channel.
template <class Byte>
class Walk {
 public:
  // Rank 1 and 2 lie in logical order: their channels are walked as if they were pixels of one byte.
  Walk(const Strided<Byte>& view, int64_t image, Extent e, bool rank3)
      : image_(view.at(image, 0, 0)),
        h_(e.h),
        w_(rank3 ? e.w : e.w * e.c),
        row_(view.row),
        pixel_(rank3 ? view.pixel : 1),
        at_(image_) {
    // A gap between the vectors of (t, f) would need a third counter; plans leave none.
    assert(rank3 || e.w == 1 || view.pixel == e.c);
  }

  Byte& operator*() const { return *at_; }
  void advance() {
    at_ += pixel_;
    if (++x_ < w_) return;
    x_ = 0;
    if (++y_ == h_) y_ = 0, ++channel_;
    at_ = image_ + y_ * row_ + channel_;
  }

 private:
  Byte* image_;
  int64_t h_, w_, row_, pixel_;
  int64_t x_ = 0, y_ = 0, channel_ = 0;
  Byte* at_;
};

class ReshapeLayer final : public Layer {
 public:
  ReshapeLayer(Extent x, bool x_rank3, Extent y, bool y_rank3)
      : x_(x), y_(y), x_rank3_(x_rank3), y_rank3_(y_rank3) {}

  int64_t units(int64_t n) const override { return n; }

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    for (int64_t image = begin; image < end; ++image) {
      Walk read(xs[0], image, x_, x_rank3_);
      Walk write(y, image, y_, y_rank3_);
      for (int64_t i = 0; i < x_.numel(); ++i, read.advance(), write.advance()) *write = *read;
    }
  }

 private:
  Extent x_, y_;
  bool x_rank3_, y_rank3_;
};

}  // namespace

LayerPtr make_reshape(Extent x, bool x_rank3, Extent y, bool y_rank3) {
  assert(x.numel() == y.numel());
  return std::make_unique<ReshapeLayer>(x, x_rank3, y, y_rank3);
}

}  // namespace icepoint
