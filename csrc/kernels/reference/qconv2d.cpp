// Reference qconv2d: acc = bias + sum (x - zx) w', then Q(acc); padding adds nothing.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/reference/table.h"

namespace icepoint::reference {

namespace {

// Packed is everything as it comes: this header, bias, multiplier, shift (oc each), weights (oc, kh, kw, ic /
// groups).
struct Packed {
  int32_t x_zero_point, y_zero_point, lo, hi;
  bool requantizes, adds, pools;
  Residual residual;
};

int64_t row_of(const Conv2dGeometry& g) {
  return g.window.kernel[0] * g.window.kernel[1] * (g.ic / g.groups);
}

struct Arrays {
  const int32_t *bias, *multiplier, *shift;
  const int16_t* weight;

  Arrays(const void* packed, int64_t oc)
      : bias(reinterpret_cast<const int32_t*>(static_cast<const Packed*>(packed) + 1)),
        multiplier(bias + oc),
        shift(multiplier + oc),
        weight(reinterpret_cast<const int16_t*>(shift + oc)) {}
};

// The accumulator of one output element. The sum runs in 64 bits and is cut to int32: the overflow proof
// says that nothing is lost, and without a proof it wraps as the int32 sums of every other table do.
int32_t accumulate(const Conv2dArgs& a, const Arrays& arrays, int32_t zx, int64_t image, int64_t oy,
                   int64_t ox, int64_t oc) {
  const Conv2dGeometry& g = *a.g;
  const auto [kh, kw] = g.window.kernel;
  const int64_t group_ic = g.ic / g.groups, first_ic = oc / (g.oc / g.groups) * group_ic;
  const int16_t* w = arrays.weight + oc * row_of(g);
  int64_t acc = arrays.bias[oc];
  for (int64_t ky = 0; ky < kh; ++ky) {
    for (int64_t kx = 0; kx < kw; ++kx, w += group_ic) {
      const int64_t iy = oy * g.window.stride[0] + ky * g.window.dilation[0] - g.window.padding[0];
      const int64_t ix = ox * g.window.stride[1] + kx * g.window.dilation[1] - g.window.padding[1];
      if (iy < 0 || iy >= g.h || ix < 0 || ix >= g.w) continue;
      const uint8_t* x = a.x.at(image, iy, ix) + first_ic;
      for (int64_t ic = 0; ic < group_ic; ++ic) acc += (x[ic] - zx) * w[ic];
    }
  }
  return static_cast<int32_t>(acc);
}

int32_t add(const Residual& r, int32_t code, int32_t zero_point, int32_t other) {
  const int32_t sum =
      (code - zero_point) * r.q_multiplier + (other - r.x_zero_point) * r.x_multiplier + (1 << (r.shift - 1));
  return std::clamp(r.y_zero_point + (sum >> r.shift), r.lo, r.hi);
}

}  // namespace

size_t conv2d_packed_size(const Conv2dSpec& s) {
  return sizeof(Packed) + static_cast<size_t>(s.g.oc) * (3 * sizeof(int32_t) + sizeof(int16_t) * row_of(s.g));
}

void conv2d_pack(const Conv2dSpec& s, void* packed) {
  Packed head{};
  head.x_zero_point = s.x_zero_point;
  if (s.requant != nullptr) {
    head.requantizes = true;
    head.y_zero_point = s.requant->zero_point, head.lo = s.requant->lo, head.hi = s.requant->hi;
  }
  if (s.residual != nullptr) head.adds = true, head.residual = *s.residual;
  head.pools = s.max_pool;
  std::memcpy(packed, &head, sizeof(head));
  const Arrays to(packed, s.g.oc);
  std::copy_n(s.bias, s.g.oc, const_cast<int32_t*>(to.bias));
  if (s.requant != nullptr) {
    std::copy_n(s.requant->multiplier, s.g.oc, const_cast<int32_t*>(to.multiplier));
    std::copy_n(s.requant->shift, s.g.oc, const_cast<int32_t*>(to.shift));
  }
  for (int64_t oc = 0; oc < s.g.oc; ++oc)
    s.weight->read(oc, const_cast<int16_t*>(to.weight) + oc * row_of(s.g));
}

void conv2d(const Conv2dArgs& a) {
  const Conv2dGeometry& g = *a.g;
  Packed p;
  std::memcpy(&p, a.packed, sizeof(p));
  const Arrays arrays(a.packed, g.oc);
  const int64_t pool = p.pools ? 2 : 1, oh = g.oh / pool, ow = g.ow / pool;
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / oh, oy = row % oh;
    for (int64_t ox = 0; ox < ow; ++ox) {
      uint8_t* y = a.y.at(image, oy, ox);
      for (int64_t oc = a.oc_begin; oc < a.oc_end; ++oc) {
        int32_t acc = std::numeric_limits<int32_t>::min();
        for (int64_t i = 0; i < pool * pool; ++i)
          acc = std::max(acc, accumulate(a, arrays, p.x_zero_point, image, oy * pool + i / pool,
                                         ox * pool + i % pool, oc));
        if (!p.requantizes) {
          std::memcpy(y + 4 * oc, &acc, 4);
          continue;
        }
        int32_t code =
            requantize_clamp(acc, arrays.multiplier[oc], arrays.shift[oc], p.y_zero_point, p.lo, p.hi);
        if (p.adds) code = add(p.residual, code, p.y_zero_point, a.residual.at(image, oy, ox)[oc]);
        y[oc] = static_cast<uint8_t>(code);
      }
    }
  }
}

}  // namespace icepoint::reference
