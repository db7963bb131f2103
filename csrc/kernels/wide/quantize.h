// Floats to codes: quantize of a dense array, and load, from planes (c, h, w) to channels last.
#pragma once

#include "kernels/wide/codes.h"
#include "kernels/wide/interleave.h"

namespace icepoint::wide {

/// clamp(rne(x / scale) + zero_point, lo, hi) of V::kBytes floats, or of fewer.
template <class V>
class Quantize {
  using Reg = typename V::Reg;

 public:
  ICEPOINT_INLINE Quantize(float scale, int32_t zero_point, int32_t lo, int32_t hi)
      : quotient_(scale), clamp_(zero_point, lo, hi) {}

  /// Of V::kBytes floats, or of n < V::kBytes: the other codes have no meaning.
  ICEPOINT_INLINE Reg operator()(const float* x) const { return V::in_order(mixed(x)); }
  ICEPOINT_INLINE Reg operator()(const float* x, int64_t n) const { return V::in_order(mixed(x, n)); }

  /// The same as the packs leave them: lane i of zips is then element i, as pixels() wants it.
  ICEPOINT_INLINE Reg mixed(const float* x) const {
    constexpr int L = V::kLanes;
    return clamp_({{quotient_(x), quotient_(x + L), quotient_(x + 2 * L), quotient_(x + 3 * L)}});
  }
  ICEPOINT_INLINE Reg mixed(const float* x, int64_t n) const {
    Quads<V> q;
    for (int part = 0; part < 4; ++part, x += V::kLanes, n -= V::kLanes)
      q.part[part] = n >= V::kLanes ? quotient_(x) : n > 0 ? quotient_(x, n) : V::zero();
    return clamp_(q);
  }

  /// y[i] = flip(the code of x[i]), i < n.
  template <class F>
  ICEPOINT_INLINE void run(const float* x, int64_t n, uint8_t* y, const F& flip) const {
    int64_t i = 0;
    for (; i + V::kBytes <= n; i += V::kBytes) V::store(y + i, flip((*this)(x + i)));
    if (i < n) V::store_first(y + i, flip((*this)(x + i, n - i)), n - i);
  }

 private:
  typename V::Quotient quotient_;
  Clamp<V> clamp_;
};

template <class V>
void quantize(const QuantizeArgs& a) {
  using Reg = typename V::Reg;
  uint8_t* y = static_cast<uint8_t*>(a.y) + a.begin;
  const int64_t n = a.end - a.begin;
  if (a.lo >= 0) {
    Quantize<V>(a.scale, a.zero_point, a.lo, a.hi).run(a.x + a.begin, n, y, [&](Reg codes) { return codes; });
    return;
  }
  // int8: codes 128 higher, whose highest bit is turned.
  const auto turn = V::splat8(128);
  Quantize<V>(a.scale, a.zero_point + 128, a.lo + 128, a.hi + 128).run(a.x + a.begin, n, y, [&](Reg codes) {
    return V::xor8(codes, turn);
  });
}

/// kBytes pixels of three planes, in the order of Quantize::mixed.
template <class V>
ICEPOINT_INLINE void store_rgb(uint8_t* y, typename V::Reg r, typename V::Reg g, typename V::Reg b) {
  const auto rg_low = V::zip_low8(r, g), rg_high = V::zip_high8(r, g);
  const auto b_low = V::zip_low8(b, V::zero()), b_high = V::zip_high8(b, V::zero());
  V::store_three_of_four(y, V::zip_low16(rg_low, b_low));
  V::store_three_of_four(y + 3 * V::kLanes, V::zip_high16(rg_low, b_low));
  V::store_three_of_four(y + 6 * V::kLanes, V::zip_low16(rg_high, b_high));
  V::store_three_of_four(y + 9 * V::kLanes, V::zip_high16(rg_high, b_high));
}

/// A row of an image of three planes whose pixels are neighbours: what most models begin with.
template <class V>
void load_rgb(const Quantize<V>& codes, const float* r, int64_t plane, int64_t w, uint8_t* y) {
  const float *g = r + plane, *b = g + plane;
  int64_t x = 0;
  for (; x + V::kBytes <= w; x += V::kBytes)
    store_rgb<V>(y + 3 * x, codes.mixed(r + x), codes.mixed(g + x), codes.mixed(b + x));
  if (const int64_t n = w - x; n > 0) {
    uint8_t pixels[3 * V::kBytes];
    store_rgb<V>(pixels, codes.mixed(r + x, n), codes.mixed(g + x, n), codes.mixed(b + x, n));
    std::memcpy(y + 3 * x, pixels, static_cast<size_t>(3 * n));
  }
}

template <class V>
void load(const LoadArgs& a) {
  using Reg = typename V::Reg;
  const Quantize<V> codes(a.scale, a.zero_point, 0, a.hi);
  const auto as_is = [&](Reg v) { return v; };
  const int64_t pixels = a.h * a.w;
  for (int64_t row = a.begin; row < a.end; ++row) {
    const int64_t image = row / a.h, oy = row % a.h;
    uint8_t* y = a.y.at(image, oy, 0);
    if (pixels == 1 || (a.c == 1 && a.y.pixel == 1)) {  // the two orders agree
      codes.run(a.x + row * a.w * a.c, a.w * a.c, y, as_is);
      continue;
    }
    if (a.c == 3 && a.y.pixel == 3) {
      load_rgb<V>(codes, a.x + (image * 3 * a.h + oy) * a.w, pixels, a.w, y);
      continue;
    }
    for (int64_t x = 0; x < a.w; x += kPixels) {
      const int64_t n = std::min<int64_t>(kPixels, a.w - x);
      for (int64_t c = 0; c < a.c; c += kChannels) {
        const int64_t channels = std::min<int64_t>(kChannels, a.c - c);
        alignas(64) uint8_t planes[kChannels][kPixels];
        for (int64_t i = 0; i < channels; ++i)
          codes.run(a.x + ((image * a.c + c + i) * a.h + oy) * a.w + x, n, planes[i], as_is);
        interleave<V>(planes, channels, n, y + x * a.y.pixel + c, a.y.pixel);
      }
    }
  }
}

}  // namespace icepoint::wide
