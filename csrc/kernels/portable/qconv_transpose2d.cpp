// Portable qconv_transpose2d: a gather with eight output channels in the vector lanes.
#include <algorithm>

#include "kernels/portable/matmul.h"
#include "kernels/portable/table.h"

namespace icepoint::portable {

namespace {

constexpr int64_t kInputs = 256;   // channels of one tap, centred together; even
constexpr int64_t kOutputs = 128;  // channels whose accumulators are held; a multiple of 8

// Eight weights, or the n that are left before `end`.
inline I16x8 weights8(const int16_t* row, int64_t n, const int16_t* end) {
  if (end - row >= 8) [[likely]]
    return load_any<I16x8>(row);
  alignas(16) int16_t tail[8] = {};
  std::copy_n(row, std::min<int64_t>(8, n), tail);
  return load<I16x8>(tail);
}

// acc (round_up(n, 8)) += x (ic) times w, whose row of input channel i starts at w + i * step and
// has n output channels. Rows are read in eights; what lies behind the last row stays unread.
void accumulate_tap(const int16_t* x, int64_t ic, const int16_t* w, int64_t step, int64_t n,
                    const int16_t* end, uint32_t* acc) {
  for (int64_t oc = 0; oc < n; oc += 8) {
    U32x4 low = load<U32x4>(acc + oc), high = load<U32x4>(acc + oc + 4);
    const int16_t* row = w + oc;
    for (int64_t i = 0; i < ic; i += 2, row += 2 * step) {
      const I16x8 both = splat_pair(x + i), one = weights8(row, n - oc, end);
      const I16x8 two = i + 1 < ic ? weights8(row + step, n - oc, end) : I16x8{};
      low += dot_pairs(both, zip_low(one, two));
      high += dot_pairs(both, zip_high(one, two));
    }
    store_any(acc + oc, low);
    store_any(acc + oc + 4, high);
  }
}

// Channels oc..oc + n - 1 of `group` at output pixel (oy, ox): adds every tap to acc.
void accumulate_pixel(const ConvTranspose2dArgs& a, const uint8_t* image, int64_t oy, int64_t ox,
                      int64_t group, int64_t oc, int64_t n, uint32_t* acc) {
  const Conv2dGeometry& g = *a.g;
  const auto [kh, kw] = g.window.kernel;
  const auto [stride_h, stride_w] = g.window.stride;
  const int64_t group_ic = g.ic / g.groups, group_oc = g.oc / g.groups;
  const int64_t step = kh * kw * group_oc;  // weight (ic, kh, kw, oc / groups)
  const uint8_t* image_end = image + g.h * g.w * g.ic;
  alignas(16) int16_t x[kInputs + 8];

  for (int64_t ky = 0; ky < kh; ++ky) {
    const int64_t ty = oy + g.window.padding[0] - ky * g.window.dilation[0];
    if (ty < 0 || ty % stride_h != 0 || ty / stride_h >= g.h) continue;
    for (int64_t kx = 0; kx < kw; ++kx) {
      const int64_t tx = ox + g.window.padding[1] - kx * g.window.dilation[1];
      if (tx < 0 || tx % stride_w != 0 || tx / stride_w >= g.w) continue;
      const uint8_t* from = image + (ty / stride_h * g.w + tx / stride_w) * g.ic + group * group_ic;
      const int16_t* w = a.weight + group * group_ic * step + (ky * kw + kx) * group_oc + oc;
      for (int64_t i = 0; i < group_ic; i += kInputs) {
        const int64_t ic = std::min(kInputs, group_ic - i);
        centre(from + i, ic, image_end, a.x_zero_point, x);
        x[ic] = 0;  // the other half of an odd last pair
        accumulate_tap(x, ic, w + i * step, step, n, a.weight + g.ic * step, acc);
      }
    }
  }
}

}  // namespace

void conv_transpose2d(const ConvTranspose2dArgs& a) {
  const Conv2dGeometry& g = *a.g;
  const int64_t group_oc = g.oc / g.groups;
  alignas(64) uint32_t acc[kOutputs];

  for (int64_t row = a.begin; row < a.end; ++row) {
    const uint8_t* image = a.x + row / g.oh * g.h * g.w * g.ic;
    for (int64_t ox = 0; ox < g.ow; ++ox) {
      for (int64_t group = 0; group < g.groups; ++group) {
        for (int64_t oc = 0; oc < group_oc; oc += kOutputs) {
          const int64_t n = std::min(kOutputs, group_oc - oc), channel = group * group_oc + oc;
          for (int64_t i = 0; i < round_up(n, 8); ++i)
            acc[i] = i < n ? static_cast<uint32_t>(a.bias[channel + i]) : 0;
          accumulate_pixel(a, image, row % g.oh, ox, group, oc, n, acc);
          store_rows(a.requant, acc, kBlock, 1, channel, n, a.y, (row * g.ow + ox) * g.oc + channel, g.oc);
        }
      }
    }
  }
}

}  // namespace icepoint::portable
