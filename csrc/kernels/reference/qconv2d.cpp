// Reference qconv2d: acc = bias + sum (x - zx) w', then Q(acc); padding adds nothing.
#include <cstring>

#include "kernels/reference/table.h"

namespace icepoint::reference {

// Packed is the weight as it comes: (oc, kh, kw, ic / groups).
size_t conv2d_packed_size(const Conv2dGeometry& g) {
  return sizeof(int16_t) * g.oc * g.window.kernel[0] * g.window.kernel[1] * (g.ic / g.groups);
}

void conv2d_pack(const Conv2dGeometry& g, const int16_t* weight, void* packed) {
  std::memcpy(packed, weight, conv2d_packed_size(g));
}

void conv2d(const Conv2dArgs& a) {
  const Conv2dGeometry& g = *a.g;
  const auto [kh, kw] = g.window.kernel;
  const auto [stride_h, stride_w] = g.window.stride;
  const auto [dilation_h, dilation_w] = g.window.dilation;
  const int64_t group_ic = g.ic / g.groups, group_oc = g.oc / g.groups;

  for (int64_t row = a.begin; row < a.end; ++row) {
    const uint8_t* image = a.x + row / g.oh * g.h * g.w * g.ic;
    const int64_t oy = row % g.oh;
    for (int64_t ox = 0; ox < g.ow; ++ox) {
      for (int64_t oc = 0; oc < g.oc; ++oc) {
        const int64_t first_ic = oc / group_oc * group_ic;
        const int16_t* w = static_cast<const int16_t*>(a.weight) + oc * kh * kw * group_ic;
        int64_t acc = a.bias[oc];
        for (int64_t ky = 0; ky < kh; ++ky) {
          for (int64_t kx = 0; kx < kw; ++kx, w += group_ic) {
            const int64_t iy = oy * stride_h + ky * dilation_h - g.window.padding[0];
            const int64_t ix = ox * stride_w + kx * dilation_w - g.window.padding[1];
            if (iy < 0 || iy >= g.h || ix < 0 || ix >= g.w) continue;
            const uint8_t* x = image + (iy * g.w + ix) * g.ic + first_ic;
            for (int64_t ic = 0; ic < group_ic; ++ic) acc += (x[ic] - a.x_zero_point) * w[ic];
          }
        }
        store(a.requant, a.y, (row * g.ow + ox) * g.oc + oc, oc, acc);
      }
    }
  }
}

}  // namespace icepoint::reference
