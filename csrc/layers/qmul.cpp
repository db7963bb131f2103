// qmul prepared: Q((a - za)(b - zb)); b may be one value per channel.
#include <cassert>

#include "layers/layers.h"
#include "layers/rows.h"

namespace icepoint {

namespace {

class QMulLayer final : public Layer {
 public:
  QMulLayer(const Kernels& kernels, Extent a, bool broadcast, const MulArgs& args)
      : kernels_(kernels), extent_(a), broadcast_(broadcast), args_(args) {}

  int64_t units(int64_t n) const override { return n * extent_.h; }

  void run(const uint8_t* const* xs, void* y, int64_t, int64_t begin, int64_t end) const override {
    for_each_image(begin, end, extent_.h, [&](int64_t image, int64_t row, int64_t row_end) {
      const int64_t first = (image * extent_.h + row) * extent_.w * extent_.c;
      MulArgs args = args_;
      args.pixels = (row_end - row) * extent_.w;
      args.b_pixels = broadcast_ ? 1 : args.pixels;
      args.a = xs[0] + first;
      args.b = xs[1] + (broadcast_ ? image * extent_.c : first);
      args.y = static_cast<uint8_t*>(y) + first;
      args.begin = 0, args.end = 1;
      kernels_.mul(args);
    });
  }

 private:
  const Kernels& kernels_;
  Extent extent_;
  bool broadcast_;
  MulArgs args_;  // without what a call fills in
};

}  // namespace

LayerPtr make_qmul(const Kernels& kernels, Extent a, Extent b, int32_t a_zero_point, int32_t b_zero_point,
                   int32_t multiplier, int32_t shift, OutputRange out) {
  assert(b == a || (b == Extent{1, 1, a.c}));
  MulArgs args{};
  args.c = a.c;
  args.a_zero_point = a_zero_point, args.b_zero_point = b_zero_point;
  args.multiplier = multiplier, args.shift = shift;
  args.y_zero_point = out.zero_point, args.lo = out.lo, args.hi = out.hi;
  return std::make_unique<QMulLayer>(kernels, a, b != a, args);
}

}  // namespace icepoint
