// qconv2d prepared: centred weights in (oc, kh, kw, ic / groups) order, packed for one CPU.
#include <cassert>

#include "layers/storage.h"

namespace icepoint {

namespace {

class QConv2dLayer final : public Layer {
 public:
  QConv2dLayer(const Kernels& kernels, const Conv2dGeometry& geometry, int32_t x_zero_point,
               const WeightSpan& w, const std::optional<ChannelRequant>& requant)
      : kernels_(kernels),
        geometry_(geometry),
        x_zero_point_(x_zero_point),
        packed_(kernels.conv2d_packed_size(geometry)),
        bias_(per_channel(w.bias, geometry.oc)) {
    if (requant) requant_.emplace(*requant, geometry.oc);
    const auto [kh, kw] = geometry.window.kernel;
    const int64_t ic = geometry.ic / geometry.groups, taps = kh * kw;
    assert(static_cast<int64_t>(w.codes.size()) == geometry.oc * ic * taps);
    // (oc, ic, kh, kw) -> (oc, kh, kw, ic): the input's channels are its last axis too
    const std::vector<int16_t> centred = centre(w.codes, w.zero_point, geometry.oc);
    std::vector<int16_t> moved(centred.size());
    for (int64_t oc = 0, i = 0; oc < geometry.oc; ++oc)
      for (int64_t c = 0; c < ic; ++c)
        for (int64_t tap = 0; tap < taps; ++tap, ++i) moved[(oc * taps + tap) * ic + c] = centred[i];
    kernels.conv2d_pack(geometry, moved.data(), packed_.data());
  }

  int64_t units(int64_t n) const override { return n * geometry_.oh; }

  void run(const uint8_t* const* xs, void* y, int64_t, int64_t begin, int64_t end) const override {
    Requant requant{};
    if (requant_) requant = requant_->view();
    kernels_.conv2d({.g = &geometry_,
                     .x = xs[0],
                     .weight = packed_.data(),
                     .bias = bias_.data(),
                     .requant = requant_ ? &requant : nullptr,
                     .y = y,
                     .x_zero_point = x_zero_point_,
                     .begin = begin,
                     .end = end});
  }

  int64_t bytes() const override {
    return packed_.size() + 4 * static_cast<int64_t>(bias_.size()) + (requant_ ? requant_->bytes() : 0);
  }

 private:
  const Kernels& kernels_;
  Conv2dGeometry geometry_;
  int32_t x_zero_point_;
  PackedWeights packed_;
  std::vector<int32_t> bias_;
  std::optional<StoredRequant> requant_;
};

}  // namespace

LayerPtr make_qconv2d(const Kernels& kernels, Extent x, const Window& window, int64_t groups, int64_t oc,
                      int32_t x_zero_point, const WeightSpan& weight,
                      const std::optional<ChannelRequant>& requant) {
  const Conv2dGeometry geometry{.h = x.h,
                                .w = x.w,
                                .ic = x.c,
                                .oh = window_output(window, 0, x.h),
                                .ow = window_output(window, 1, x.w),
                                .oc = oc,
                                .window = window,
                                .groups = groups};
  return std::make_unique<QConv2dLayer>(kernels, geometry, x_zero_point, weight, requant);
}

}  // namespace icepoint
