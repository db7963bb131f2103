// reshape prepared: the same elements in logical order, from one storage order into another.
#include <cassert>
#include <cstring>

#include "layers/layers.h"

namespace icepoint {

namespace {

// Walks a value's storage in logical order. (c, h, w) lies as (h * w, c): the next logical element
// is c bytes on, and behind the last pixel comes the first pixel's next channel.
struct Walk {
  int64_t channels, pixels;
  int64_t offset = 0, pixel = 0, channel = 0;

  // Rank 1 and 2 lie in logical order: as if they were pixels of one channel.
  Walk(Extent e, bool rank3) : channels(rank3 ? e.c : 1), pixels(rank3 ? e.h * e.w : e.numel()) {}
  bool in_order() const { return channels == 1 || pixels == 1; }
  void advance() {
    offset += channels;
    if (++pixel == pixels) {
      pixel = 0;
      offset = ++channel;
    }
  }
};

class ReshapeLayer final : public Layer {
 public:
  ReshapeLayer(Extent x, const Walk& from, const Walk& to)
      : numel_(x.numel()),
        from_(from),
        to_(to),
        copy_((from.in_order() && to.in_order()) || from.channels == to.channels) {}

  int64_t units(int64_t n) const override { return n; }

  void run(const uint8_t* const* xs, void* y, int64_t, int64_t begin, int64_t end) const override {
    for (int64_t image = begin; image < end; ++image) {
      const uint8_t* from = xs[0] + image * numel_;
      uint8_t* to = static_cast<uint8_t*>(y) + image * numel_;
      if (copy_) {
        std::memcpy(to, from, numel_);
        continue;
      }
      Walk read = from_, write = to_;
      for (int64_t i = 0; i < numel_; ++i) {
        to[write.offset] = from[read.offset];
        read.advance();
        write.advance();
      }
    }
  }

 private:
  int64_t numel_;
  Walk from_, to_;
  bool copy_;
};

}  // namespace

LayerPtr make_reshape(Extent x, bool x_rank3, Extent y, bool y_rank3) {
  assert(x.numel() == y.numel());
  return std::make_unique<ReshapeLayer>(x, Walk(x, x_rank3), Walk(y, y_rank3));
}

}  // namespace icepoint
