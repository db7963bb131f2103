// Random calls of a convolution kernel: any spec, views with pitches and halos, in whole and in pieces.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace icepoint {

/// The three entries of a table that a convolution needs.
struct Conv2dKernel {
  size_t (*packed_size)(const Conv2dSpec&);
  void (*pack)(const Conv2dSpec&, void*);
  void (*run)(const Conv2dArgs&);
};

/// Shape of a case; all else is drawn from the seed.
struct Conv2dShape {
  int64_t n, h, w, ic, oc;
  Window window;
  int64_t groups = 1;
  WeightKind kind = WeightKind::i8;
  bool requantize = true, residual = false, max_pool = false;
  int64_t x_pixel = 0;  // 0: ic
};

class Conv2dCase : public WeightRows {
 public:
  Conv2dCase(const Conv2dShape& s, uint32_t seed) : shape_(s), seed_(seed), random_(seed) {
    const Window& w = s.window;
    g_ = {s.h, s.w, s.ic, window_output(w, 0, s.h), window_output(w, 1, s.w), s.oc, w, s.groups};
    taps_ = w.kernel[0] * w.kernel[1] * (s.ic / s.groups);
    make_constants();
    make_views();
  }

  std::string text() const {
    const Conv2dGeometry& g = g_;
    const Window& w = g.window;
    return "seed " + std::to_string(seed_) + ": n, h, w, ic, oc, groups " +
           to_string({shape_.n, g.h, g.w, g.ic, g.oc, g.groups}) + " kernel " +
           to_string({w.kernel[0], w.kernel[1]}) + " stride " + to_string({w.stride[0], w.stride[1]}) +
           " padding " + to_string({w.padding[0], w.padding[1], w.padding[2], w.padding[3]}) + " dilation " +
           to_string({w.dilation[0], w.dilation[1]}) + " kind " +
           std::to_string(static_cast<int>(shape_.kind)) + (shape_.requantize ? "" : " int32") +
           (shape_.residual ? " residual" : "") + (shape_.max_pool ? " max_pool" : "") + " pixel " +
           std::to_string(x_.pixel);
  }

  int64_t rows() const { return shape_.n * y_rows(); }

  /// All of y and what lies between its pixels, where `cuts` and `oc_cuts` part the call into pieces.
  std::vector<uint8_t> run(const Conv2dKernel& kernel, std::vector<int64_t> cuts = {},
                           std::vector<int64_t> oc_cuts = {}) const {
    const size_t bytes = kernel.packed_size(spec());
    const std::unique_ptr<void, void (*)(void*)> packed(std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 64),
                                                        std::free);
    kernel.pack(spec(), packed.get());
    std::vector<uint8_t> y(y_size_, 0xA5);
    Output out = y_;
    out.data = y.data();
    cuts.insert(cuts.begin(), 0), cuts.push_back(rows());
    oc_cuts.insert(oc_cuts.begin(), 0), oc_cuts.push_back(g_.oc);
    for (size_t i = 0; i + 1 < cuts.size(); ++i)
      for (size_t j = 0; j + 1 < oc_cuts.size(); ++j)
        kernel.run(
            {&g_, packed.get(), x_, residual_view_, out, cuts[i], cuts[i + 1], oc_cuts[j], oc_cuts[j + 1]});
    return y;
  }

  void read(int64_t oc, int16_t* row) const override {
    std::memcpy(row, weight_.data() + oc * taps_, sizeof(int16_t) * taps_);
  }

  Conv2dSpec spec() const {
    return {g_,
            x_.pixel,
            zero_point_,
            shape_.kind,
            this,
            offset_.data(),
            bias_.data(),
            shape_.requantize ? &requant_ : nullptr,
            shape_.residual ? &residual_ : nullptr,
            shape_.max_pool};
  }

  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random_); }

 private:
  int64_t y_rows() const { return shape_.max_pool ? g_.oh / 2 : g_.oh; }
  int64_t y_cols() const { return shape_.max_pool ? g_.ow / 2 : g_.ow; }

  template <class T>
  std::vector<T> fill(int64_t n, int64_t lo, int64_t hi) {
    std::vector<T> values(n);
    const int64_t kind = pick(0, 7);  // now and then nothing but extremes
    for (int64_t i = 0; i < n; ++i)
      values[i] = static_cast<T>(kind > 1 ? pick(lo, hi) : kind == 1 && pick(0, 1) == 0 ? lo : hi);
    return values;
  }

  void make_constants() {
    const int64_t oc = g_.oc;
    zero_point_ = static_cast<int32_t>(pick(0, 2) == 0 ? pick(0, 1) * 255 : pick(0, 255));
    offset_ = fill<int32_t>(oc, 0, 15);
    const int64_t reach = shape_.kind == WeightKind::i16 ? 255 : 127;
    weight_ = fill<int16_t>(oc * taps_, shape_.kind == WeightKind::i16 ? -255 : -128, reach);
    if (shape_.kind == WeightKind::i4)
      for (int64_t i = 0; i < oc * taps_; ++i)
        weight_[i] = static_cast<int16_t>((weight_[i] & 15) - offset_[i / taps_]);
    bias_ = fill<int32_t>(oc, -(1 << 20), 1 << 20);
    for (int64_t i = 0; i < oc; ++i) {
      // multiplier 2^-shift about 2^-6 .. 2^-20: codes of every size, and ties where it is a power of two.
      multiplier_.push_back(pick(0, 3) == 0 ? 1 << 30
                                            : static_cast<int32_t>(pick(1 << 30, (int64_t{1} << 31) - 1)));
      shift_.push_back(static_cast<int32_t>(pick(0, 9) == 0 ? pick(2, 54) : pick(36, 50)));
    }
    const int32_t lo = static_cast<int32_t>(pick(0, 1) * pick(0, 255)),
                  zero = static_cast<int32_t>(pick(0, 255));
    requant_ = {multiplier_.data(), shift_.data(), zero, lo,
                static_cast<int32_t>(pick(lo, 255) | pick(0, 255))};
    const auto factor = [&] { return static_cast<int32_t>(pick(-(1 << 21) + 1, (1 << 21) - 1)); };
    residual_ = {factor(),
                 static_cast<int32_t>(pick(0, 255)),
                 factor(),
                 static_cast<int32_t>(pick(15, 24)),
                 static_cast<int32_t>(pick(0, 255)),
                 0,
                 static_cast<int32_t>(pick(0, 255))};
  }

  // Pixels at random pitches; the memory ends where a kernel may read no further.
  void make_views() {
    const Window& w = g_.window;
    const auto behind = [&](int axis, int64_t in, int64_t out) {
      const int64_t end =
          (out - 1) * w.stride[axis] + (w.kernel[axis] - 1) * w.dilation[axis] + 1 - w.padding[axis];
      return std::max<int64_t>(0, end - in);
    };
    const int64_t rows = w.padding[0] + g_.h + behind(0, g_.h, g_.oh);
    const int64_t cols = w.padding[1] + g_.w + behind(1, g_.w, g_.ow);
    x_.pixel = shape_.x_pixel > 0 ? shape_.x_pixel : g_.ic;
    x_.row = (cols + (pick(0, 1) ? pick(0, 3) : 0)) * x_.pixel + (pick(0, 3) == 0 ? pick(0, 70) : 0);
    x_.image = rows * x_.row + pick(0, 70);
    const int64_t size = (shape_.n - 1) * x_.image + (rows - 1) * x_.row + (cols - 1) * x_.pixel + g_.ic;
    x_bytes_.resize(size + kSlack);
    for (uint8_t& byte : x_bytes_) byte = static_cast<uint8_t>(pick(0, 255));
    const std::vector<uint8_t> codes = fill<uint8_t>(size, 0, 255);
    x_.data = x_bytes_.data() + w.padding[0] * x_.row + w.padding[1] * x_.pixel;
    for (int64_t i = 0; i < shape_.n; ++i)
      for (int64_t y = -w.padding[0]; y < rows - w.padding[0]; ++y)
        for (int64_t x = -w.padding[1]; x < cols - w.padding[1]; ++x) {
          uint8_t* pixel = x_bytes_.data() + (x_.at(i, y, x) - x_bytes_.data());
          const bool inside = y >= 0 && y < g_.h && x >= 0 && x < g_.w;
          for (int64_t c = 0; c < g_.ic; ++c)
            pixel[c] = inside ? codes[pixel + c - x_bytes_.data()] : static_cast<uint8_t>(zero_point_);
        }
    const int64_t size_of = shape_.requantize ? 1 : 4;
    y_.pixel = (g_.oc + pick(0, 2) * pick(0, 70)) * size_of;
    y_.row = y_cols() * y_.pixel + pick(0, 70) * size_of;
    y_.image = y_rows() * y_.row + pick(0, 70) * size_of;
    y_size_ = shape_.n * y_.image;
    residual_view_.pixel = g_.oc + pick(0, 70);
    residual_view_.row = g_.ow * residual_view_.pixel + pick(0, 70);
    residual_view_.image = g_.oh * residual_view_.row + pick(0, 70);
    if (shape_.residual) residual_bytes_ = fill<uint8_t>(shape_.n * residual_view_.image + kSlack, 0, 255);
    residual_view_.data = residual_bytes_.data();
  }

  Conv2dShape shape_;
  uint32_t seed_;
  std::mt19937 random_;
  Conv2dGeometry g_;
  int64_t taps_, y_size_ = 0;
  int32_t zero_point_ = 0;
  std::vector<int16_t> weight_;
  std::vector<int32_t> offset_, bias_, multiplier_, shift_;
  Requant requant_;
  Residual residual_;
  std::vector<uint8_t> x_bytes_, residual_bytes_;
  View x_, residual_view_;
  Output y_;
};

}  // namespace icepoint
