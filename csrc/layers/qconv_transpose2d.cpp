// qconv_transpose2d prepared: centred weights in (ic, kh, kw, oc / groups) order.
#include <cassert>

#include "layers/storage.h"

namespace icepoint {

namespace {

class QConvTranspose2dLayer final : public Layer {
 public:
  QConvTranspose2dLayer(const Kernels& kernels, const Conv2dGeometry& geometry, int32_t x_zero_point,
                        const WeightSpan& w, const ChannelRequant& requant)
      : kernels_(kernels),
        geometry_(geometry),
        x_zero_point_(x_zero_point),
        weight_(w.codes.size()),
        bias_(per_channel(w.bias, geometry.oc)),
        requant_(requant, geometry.oc) {
    const auto [kh, kw] = geometry.window.kernel;
    const int64_t taps = kh * kw, group_ic = geometry.ic / geometry.groups;
    const int64_t group_oc = geometry.oc / geometry.groups;
    assert(static_cast<int64_t>(w.codes.size()) == geometry.ic * taps * group_oc);
    const std::vector<int32_t> zero = per_channel(w.zero_point, geometry.oc);
    // (ic, oc, kh, kw) -> (ic, kh, kw, oc); zero points belong to output channels, axis 1
    for (int64_t ic = 0, i = 0; ic < geometry.ic; ++ic)
      for (int64_t oc = 0; oc < group_oc; ++oc)
        for (int64_t tap = 0; tap < taps; ++tap, ++i)
          weight_[(ic * taps + tap) * group_oc + oc] =
              static_cast<int16_t>(w.codes[i] - zero[ic / group_ic * group_oc + oc]);
  }

  int64_t units(int64_t n) const override { return n * geometry_.oh; }

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    const Requant requant = requant_.view();
    kernels_.conv_transpose2d({.g = &geometry_,
                               .x = xs[0],
                               .weight = weight_.data(),
                               .bias = bias_.data(),
                               .requant = &requant,
                               .y = y,
                               .x_zero_point = x_zero_point_,
                               .begin = begin,
                               .end = end});
  }

  int64_t bytes() const override {
    return static_cast<int64_t>(2 * weight_.size() + 4 * bias_.size()) + requant_.bytes();
  }

 private:
  const Kernels& kernels_;
  Conv2dGeometry geometry_;
  int32_t x_zero_point_;
  std::vector<int16_t> weight_;
  std::vector<int32_t> bias_;
  StoredRequant requant_;
};

}  // namespace

LayerPtr make_qconv_transpose2d(const Kernels& kernels, Extent x, Extent y, const Window& window,
                                int64_t groups, int32_t x_zero_point, const WeightSpan& weight,
                                const ChannelRequant& requant) {
  const Conv2dGeometry geometry{
      .h = x.h, .w = x.w, .ic = x.c, .oh = y.h, .ow = y.w, .oc = y.c, .window = window, .groups = groups};
  return std::make_unique<QConvTranspose2dLayer>(kernels, geometry, x_zero_point, weight, requant);
}

}  // namespace icepoint
