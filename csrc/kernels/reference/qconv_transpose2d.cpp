// Reference qconv_transpose2d, as a gather: each output sums the inputs whose stamp covers it.
#include "kernels/reference/table.h"

namespace icepoint::reference {

void conv_transpose2d(const ConvTranspose2dArgs& a) {
  const Conv2dGeometry& g = *a.g;
  const auto [kh, kw] = g.window.kernel;
  const auto [stride_h, stride_w] = g.window.stride;
  const auto [dilation_h, dilation_w] = g.window.dilation;
  const int64_t group_ic = g.ic / g.groups, group_oc = g.oc / g.groups;

  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / g.oh, oy = row % g.oh;
    for (int64_t ox = 0; ox < g.ow; ++ox) {
      for (int64_t oc = 0; oc < g.oc; ++oc) {
        const int64_t group = oc / group_oc;
        int64_t acc = a.bias[oc];
        for (int64_t ky = 0; ky < kh; ++ky) {
          for (int64_t kx = 0; kx < kw; ++kx) {
            // iy * stride + ky * dilation - pad == oy
            const int64_t ty = oy + g.window.padding[0] - ky * dilation_h;
            const int64_t tx = ox + g.window.padding[1] - kx * dilation_w;
            if (ty < 0 || ty % stride_h != 0 || ty / stride_h >= g.h) continue;
            if (tx < 0 || tx % stride_w != 0 || tx / stride_w >= g.w) continue;
            const uint8_t* x = a.x.at(image, ty / stride_h, tx / stride_w);
            for (int64_t ic = group * group_ic; ic < (group + 1) * group_ic; ++ic) {
              // weight (ic, kh, kw, oc / groups)
              const int16_t w = a.weight[((ic * kh + ky) * kw + kx) * group_oc + oc % group_oc];
              acc += (x[ic] - a.x_zero_point) * w;
            }
          }
        }
        // Cut to int32: the overflow proof says that nothing is lost, and without a proof it wraps as the
        // int32 sums of every other table do.
        a.y.at(image, oy, ox)[oc] = static_cast<uint8_t>(
            requantize_clamp(static_cast<int32_t>(acc), a.requant->multiplier[oc], a.requant->shift[oc],
                             a.requant->zero_point, a.requant->lo, a.requant->hi));
      }
    }
  }
}

}  // namespace icepoint::reference
