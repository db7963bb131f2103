// qconv_transpose2d as a gather: outputs that are a stride apart meet the same taps, four at a time.
#pragma once

#include "kernels/wide/epilogue.h"

namespace icepoint::wide {

/// One call over one group's channels oc..oc + kOutputs - 1 (or fewer).
template <class V>
class ConvTranspose2d {
  using Reg = typename V::Reg;
  static constexpr int kWidth = 2 * V::kLanes;  // output channels of a pair of vectors
  static constexpr int64_t kOutputs = 256;      // channels whose accumulators are held
  static constexpr int64_t kInputs = 256;       // channels of one tap, centred together; even
  static constexpr int64_t kPixels = 4;

 public:
  static void run(const ConvTranspose2dArgs& a) {
    const int64_t group_oc = a.g->oc / a.g->groups;
    for (int64_t group = 0; group < a.g->groups; ++group)
      for (int64_t oc = 0; oc < group_oc; oc += kOutputs)
        ConvTranspose2d(a, group, oc, std::min(kOutputs, group_oc - oc)).rows();
  }

 private:
  ConvTranspose2d(const ConvTranspose2dArgs& a, int64_t group, int64_t oc, int64_t n)
      : a_(a), g_(*a.g), group_(group), oc_(oc), channel_(group * (g_.oc / g_.groups) + oc), n_(n) {
    const Requant& q = *a.requant;
    for (int64_t c = 0; c < (n + kWidth - 1) / kWidth * kWidth; ++c) {
      const PairLane<V> at(static_cast<int>(c % kWidth));
      const int64_t from = channel_ + std::min(c, n - 1);  // behind the last one nothing is stored
      scales_[c / kWidth].set(at.vector, at.lane, q, from);
      bias_[c / kWidth][at.vector][at.lane] = a.bias[from];
      prescale_ |= q.shift[from] < kLeastShift;
    }
  }

  // Output pixels ox, ox + stride, ... read the inputs first, first + 1, ... at each column kx of the
  // kernel with first * stride + kx * dilation == ox + padding.
  void rows() {
    const int64_t stride = g_.window.stride[1];
    for (int64_t row = a_.begin; row < a_.end; ++row) {
      image_ = row / g_.oh, oy_ = row % g_.oh;
      for (int64_t phase = 0; phase < std::min(stride, g_.ow); ++phase)
        for (int64_t ox = phase; ox < g_.ow; ox += kPixels * stride)
          pixels(ox, std::min(kPixels, (g_.ow - ox + stride - 1) / stride));
    }
  }

  void pixels(int64_t ox, int64_t count) {
    for (int64_t c = 0; c < n_; c += kWidth)
      for (int64_t p = 0; p < kPixels; ++p)
        for (int v = 0; v < 2; ++v)
          std::memcpy(acc_[c / kWidth][p][v], bias_[c / kWidth][v], sizeof(bias_[0][0]));
    for (int64_t ky = 0; ky < g_.window.kernel[0]; ++ky) {
      const int64_t ty = oy_ + g_.window.padding[0] - ky * g_.window.dilation[0];
      if (ty < 0 || ty % g_.window.stride[0] != 0 || ty / g_.window.stride[0] >= g_.h) continue;
      for (int64_t kx = 0; kx < g_.window.kernel[1]; ++kx) {
        const int64_t tx = ox + g_.window.padding[1] - kx * g_.window.dilation[1];
        // Rounded to zero where negative: a remainder of 0 means that the quotient is whole.
        if (tx % g_.window.stride[1] != 0) continue;
        tap(ky, kx, ty / g_.window.stride[0], tx / g_.window.stride[1]);
      }
    }
    for (int64_t p = 0; p < count; ++p) store(p, ox + p * g_.window.stride[1]);
  }

  // Adds input pixels (iy, ix), (iy, ix + 1), ... times the weights of one tap.
  void tap(int64_t ky, int64_t kx, int64_t iy, int64_t ix) {
    if (ix + kPixels <= 0 || ix >= g_.w) return;
    const auto [kh, kw] = g_.window.kernel;
    const int64_t group_ic = g_.ic / g_.groups, group_oc = g_.oc / g_.groups;
    const int64_t step = kh * kw * group_oc;  // weight (ic, kh, kw, oc / groups)
    for (int64_t i = 0; i < group_ic; i += kInputs) {
      const int64_t ic = std::min(kInputs, group_ic - i), first = group_ * group_ic + i;
      for (int64_t p = 0; p < kPixels; ++p)
        centre(ix + p >= 0 && ix + p < g_.w ? a_.x.at(image_, iy, ix + p) + first : nullptr, ic, x_[p]);
      const int16_t* w = a_.weight + first * step + (ky * kw + kx) * group_oc + oc_;
      for (int64_t c = 0; c < n_; c += kWidth) accumulate(w + c, step, ic, acc_[c / kWidth]);
    }
  }

  // to[i] = x[i] - zero point for i < ic, then a zero for the other half of an odd last pair; zeros
  // where there is no x.
  void centre(const uint8_t* x, int64_t ic, int16_t* to) const {
    const Reg minus_zero_point = V::splat16(-a_.x_zero_point);
    for (int64_t i = 0; i < ic; i += kWidth)
      V::store(to + i, x == nullptr ? V::zero() : V::adds16(V::load_u8_as_16(x + i), minus_zero_point));
    to[ic] = 0;
  }

  // kWidth weights, or what is left of all weights.
  ICEPOINT_INLINE Reg weights(const int16_t* w) const {
    const auto [kh, kw] = g_.window.kernel;
    const int64_t left = a_.weight + g_.ic * kh * kw * (g_.oc / g_.groups) - w;
    if (left >= kWidth) [[likely]]
      return V::load(w);
    int16_t tail[kWidth] = {};
    std::memcpy(tail, w, static_cast<size_t>(left) * sizeof(int16_t));
    return V::load(tail);
  }

  void accumulate(const int16_t* w, int64_t step, int64_t ic, uint32_t (&acc)[kPixels][2][V::kLanes]) const {
    Reg sum[kPixels][2];
    for (int p = 0; p < kPixels; ++p)
      for (int v = 0; v < 2; ++v) sum[p][v] = V::load(acc[p][v]);
    for (int64_t i = 0; i < ic; i += 2, w += 2 * step) {
      const Reg one = weights(w), two = weights(i + 1 < ic ? w + step : w);
      const Reg low = V::zip_low16(one, two), high = V::zip_high16(one, two);
      for (int p = 0; p < kPixels; ++p) {
        int32_t pair;
        std::memcpy(&pair, x_[p] + i, sizeof(pair));
        const Reg both = V::splat32(pair);
        sum[p][0] = V::dot16(sum[p][0], both, low);
        sum[p][1] = V::dot16(sum[p][1], both, high);
      }
    }
    for (int p = 0; p < kPixels; ++p)
      for (int v = 0; v < 2; ++v) V::store(acc[p][v], sum[p][v]);
  }

  void store(int64_t p, int64_t ox) const {
    uint8_t* y = a_.y.at(image_, oy_, ox) + channel_;
    const Reg lo = V::splat16(a_.requant->lo), hi = V::splat16(a_.requant->hi);
    for (int64_t c = 0; c < n_; c += kWidth) {
      const auto& scales = scales_[c / kWidth];
      Reg sum[2];
      for (int v = 0; v < 2; ++v) {
        sum[v] = V::load(acc_[c / kWidth][p][v]);
        if (prescale_) sum[v] = scales.prescale(sum[v], v);
        sum[v] = V::requantize(sum[v], scales.load(v));
      }
      const Reg codes = V::min16(V::max16(V::pack16(sum[0], sum[1]), lo), hi);
      V::store_first(y + c, V::unmix(V::pack8(codes, codes)), std::min<int64_t>(kWidth, n_ - c));
    }
  }

  const ConvTranspose2dArgs& a_;
  const Conv2dGeometry& g_;
  const int64_t group_, oc_, channel_, n_;
  bool prescale_ = false;
  int64_t image_ = 0, oy_ = 0;
  Scales<V, 2> scales_[kOutputs / kWidth];
  int32_t bias_[kOutputs / kWidth][2][V::kLanes];
  alignas(64) uint32_t acc_[kOutputs / kWidth][kPixels][2][V::kLanes];
  alignas(64) int16_t x_[kPixels][kInputs + kWidth];
};

template <class V>
void conv_transpose2d(const ConvTranspose2dArgs& a) {
  ConvTranspose2d<V>::run(a);
}

}  // namespace icepoint::wide
