// Portable qconv2d: a multiplication over gathered patches, or lane by lane where groups are narrow.
#include "kernels/portable/grouped.h"
#include "kernels/portable/matmul.h"
#include "kernels/portable/table.h"

namespace icepoint::portable {

namespace {

// Groups of one or two output channels leave most lanes of a vector idle. So a few neighbouring
// groups are multiplied as one, whose weights are zero where a channel belongs to another group.
struct Grouping {
  int64_t merged, count;  // groups in one multiplication, and multiplications
  int64_t ic, oc;         // channels of one multiplication (the last one may have fewer)
  int64_t packed;         // int16 elements of one multiplication's weights

  explicit Grouping(const Conv2dGeometry& g) {
    const int64_t group_oc = g.oc / g.groups;
    merged = std::min(g.groups, group_oc == 1 ? int64_t{4} : group_oc == 2 ? int64_t{2} : int64_t{1});
    count = (g.groups + merged - 1) / merged;
    ic = merged * (g.ic / g.groups), oc = merged * group_oc;
    packed = round_up(matmul_packed_count(oc, g.window.kernel[0] * g.window.kernel[1] * ic), 32);
  }
};

// Patches of x: for the output pixel (image, oy, ox) the taps of channels first..first + ic - 1, as
// (kh, kw, ic) values. Padding is zero, for it reads as the zero point.
class Patches {
 public:
  Patches(const Conv2dArgs& a, int64_t first, int64_t ic)
      : a_(a), g_(*a.g), first_(first), ic_(ic), kh_(g_.window.kernel[0]), kw_(g_.window.kernel[1]) {
    // With all channels and neighbouring columns, the taps of one kernel row lie together.
    taps_ = ic == g_.ic && g_.window.dilation[1] == 1 ? kw_ : 1;
    // Few channels: a kernel row is one vector, and nearly every patch lies inside its image.
    short_runs_ = taps_ == kw_ && kw_ * ic <= 8 && ic == g_.ic;
  }

  // Values k..k_end - 1 of `pixels` patches from `pixel` on, kStep apart.
  void operator()(int64_t pixel, int64_t pixels, int64_t k, int64_t k_end, int16_t* to) const {
    // Divisions once for all pixels and not for each: they cost more than a short run of values.
    int64_t ox = pixel % g_.ow, row = pixel / g_.ow, oy = row % g_.oh, image = row / g_.oh;
    const int64_t run = k / (taps_ * ic_), skip = k % (taps_ * ic_);
    const Position start{run * taps_ / kw_, run * taps_ % kw_, skip};
    for (int64_t p = 0; p < pixels; ++p, to += kStep) {
      patch(image, oy, ox, start, k_end - k, to);
      if (++ox < g_.ow) continue;
      ox = 0;
      if (++oy == g_.oh) oy = 0, ++image;
    }
  }

 private:
  struct Position {
    int64_t ky, kx, skip;  // the first tap of a run, and values of the run to skip
  };

  void patch(int64_t n, int64_t oy, int64_t ox, Position at, int64_t left, int16_t* to) const {
    const uint8_t* image = a_.x + n * g_.h * g_.w * g_.ic;
    const uint8_t* end = image + g_.h * g_.w * g_.ic;
    const int64_t y0 = oy * g_.window.stride[0] - g_.window.padding[0];
    const int64_t x0 = ox * g_.window.stride[1] - g_.window.padding[1];
    if (short_runs_ && left == kh_ * taps_ * ic_ && y0 >= 0 && x0 >= 0 && x0 + kw_ <= g_.w) {
      const int64_t step = g_.window.dilation[0] * g_.w * ic_;
      const uint8_t* x = image + (y0 * g_.w + x0) * ic_;
      if (end - x >= (kh_ - 1) * step + 8) {
        for (int64_t ky = 0; ky < kh_; ++ky, x += step, to += kw_ * ic_)
          store_any(to, centred8(x, a_.x_zero_point));
        return;
      }
    }
    while (left > 0) {
      const int64_t values = std::min(taps_ * ic_ - at.skip, left);
      const int64_t iy = y0 + at.ky * g_.window.dilation[0], ix = x0 + at.kx * g_.window.dilation[1];
      if (iy < 0 || iy >= g_.h)
        std::fill_n(to, values, int16_t{0});
      else if (ix >= 0 && ix + taps_ <= g_.w) [[likely]]
        centre(image + ((iy * g_.w + ix) * g_.ic + first_ + at.skip), values, end, a_.x_zero_point, to);
      else
        cut_run(image + iy * g_.w * g_.ic, ix, at.skip, values, end, to);
      left -= values, to += values, at.skip = 0;
      at.kx += taps_;
      if (at.kx == kw_) at.kx = 0, ++at.ky;
    }
  }

  // Values skip..skip + n - 1 of the run that starts in column ix, and columns outside `row` as zeros.
  void cut_run(const uint8_t* row, int64_t ix, int64_t skip, int64_t n, const uint8_t* end,
               int16_t* to) const {
    const int64_t left = std::clamp<int64_t>(-ix * ic_ - skip, 0, n);
    const int64_t right = std::clamp<int64_t>((g_.w - ix) * ic_ - skip, left, n);
    std::fill_n(to, left, int16_t{0});
    if (left < right)
      centre(row + (ix * g_.ic + first_ + skip + left), right - left, end, a_.x_zero_point, to + left);
    std::fill_n(to + right, n - right, int16_t{0});
  }

  const Conv2dArgs& a_;
  const Conv2dGeometry& g_;
  int64_t first_, ic_, kh_, kw_, taps_;
  bool short_runs_;
};

}  // namespace

size_t conv2d_packed_size(const Conv2dGeometry& g) {
  if (is_narrow(g)) return grouped_packed_size(g);
  const Grouping grouping(g);
  return sizeof(int16_t) * grouping.count * grouping.packed;
}

void conv2d_pack(const Conv2dGeometry& g, const int16_t* weight, void* packed) {
  if (is_narrow(g)) return grouped_pack(g, weight, static_cast<int16_t*>(packed));
  const Grouping grouping(g);
  const int64_t group_ic = g.ic / g.groups, group_oc = g.oc / g.groups;
  const int64_t taps = g.window.kernel[0] * g.window.kernel[1];
  for (int64_t m = 0; m < grouping.count; ++m) {
    const int64_t groups = std::min(grouping.merged, g.groups - m * grouping.merged);
    const int64_t ic = groups * group_ic;
    const auto merged_weight = [&](int64_t lane, int64_t k) {
      const int64_t tap = k / ic, channel = k % ic;
      if (lane / group_oc != channel / group_ic) return int16_t{0};
      // (oc, kh, kw, ic / groups)
      return weight[((m * grouping.oc + lane) * taps + tap) * group_ic + channel % group_ic];
    };
    matmul_pack(groups * group_oc, taps * ic, merged_weight,
                static_cast<int16_t*>(packed) + m * grouping.packed);
  }
}

void conv2d(const Conv2dArgs& a) {
  const Conv2dGeometry& g = *a.g;
  if (is_narrow(g)) return grouped(a);
  const Grouping grouping(g);
  for (int64_t i = 0; i < grouping.count; ++i) {
    const int64_t groups = std::min(grouping.merged, g.groups - i * grouping.merged);
    const int64_t ic = groups * (g.ic / g.groups), oc = groups * (g.oc / g.groups);
    const Matmul m{.packed = static_cast<const int16_t*>(a.weight) + i * grouping.packed,
                   .lanes = oc,
                   .k = g.window.kernel[0] * g.window.kernel[1] * ic,
                   .lane_begin = 0,
                   .lane_end = oc,
                   .bias = a.bias + i * grouping.oc,
                   .requant = a.requant,
                   .channel = i * grouping.oc,
                   .y = a.y,
                   .y_step = g.oc,
                   .begin = a.begin * g.ow,
                   .end = a.end * g.ow};
    matmul(m, Patches(a, i * grouping.ic, ic));
  }
}

}  // namespace icepoint::portable
