// Pools prepared: windows cut to the input once, and torch's divisor of every average.
#include <algorithm>
#include <cassert>
#include <map>

#include "layers/layers.h"

namespace icepoint {

namespace {

// One axis of a pool. `extent` is the divisor's share: the taps inside the padded input.
struct Axis {
  std::vector<int32_t> begin, count, extent;
  int32_t step = 1;

  void reserve(int64_t size) {
    for (auto* list : {&begin, &count, &extent}) list->reserve(static_cast<size_t>(size));
  }
  void add(int64_t first, int64_t taps, int64_t padded_taps) {
    begin.push_back(static_cast<int32_t>(first));
    count.push_back(static_cast<int32_t>(taps));
    extent.push_back(static_cast<int32_t>(padded_taps));
  }
  int64_t size() const { return static_cast<int64_t>(begin.size()); }
  PoolAxis view() const { return {begin.data(), count.data(), step}; }
  int64_t bytes() const { return 4 * static_cast<int64_t>(begin.size() + count.size() + extent.size()); }
};

Axis window_axis(const Window& window, int axis, int64_t in, bool ceil_mode, const char* who) {
  const int64_t kernel = window.kernel[axis], step = window.dilation[axis];
  Axis a;
  a.step = static_cast<int32_t>(step);
  const int64_t out = window_output(window, axis, in, ceil_mode);
  a.reserve(out);
  for (int64_t o = 0; o < out; ++o) {
    const int64_t first = o * window.stride[axis] - window.padding[axis];
    // Taps j in skipped..stop-1 lie in 0..in-1; ceil_mode may push the last window past the padding.
    const int64_t skipped = first < 0 ? (-first + step - 1) / step : 0;
    const int64_t stop = in > first ? std::min(kernel, (in - first + step - 1) / step) : 0;
    require(skipped < stop, who, ": window ", o, " of axis ", axis, " lies in the padding alone (input ", in,
            ", kernel_size ", kernel, ", padding ", window.padding[axis], ", dilation ", step, ")");
    // torch's pool_size: the window cut to the padded input (averages have step 1)
    const int64_t padded_end = std::min(first + kernel, in + window.padding[axis + 2]);
    a.add(first + skipped * step, stop - skipped, padded_end - first);
  }
  return a;
}

// torch: from floor(o in / out) to ceil((o + 1) in / out)
Axis adaptive_axis(int64_t in, int64_t out) {
  Axis a;
  a.reserve(out);
  for (int64_t o = 0; o < out; ++o) {
    const int64_t first = o * in / out, taps = ((o + 1) * in + out - 1) / out - first;
    a.add(first, taps, taps);
  }
  return a;
}

struct AvgWindows {
  Axis rows, cols;
  bool count_include_pad = false;
  int64_t divisor_override = 0;

  int64_t divisor(int64_t oy, int64_t ox) const {
    if (divisor_override != 0) return divisor_override;
    if (count_include_pad) return int64_t{rows.extent[oy]} * cols.extent[ox];
    return int64_t{rows.count[oy]} * cols.count[ox];
  }

  std::vector<int64_t> divisors() const {
    if (divisor_override != 0) return {divisor_override};
    const auto distinct = [](auto shares) {
      std::sort(shares.begin(), shares.end());
      shares.erase(std::unique(shares.begin(), shares.end()), shares.end());
      return shares;
    };
    // Of the shares that differ, not of every window: an image has millions, a padded border a few.
    std::vector<int64_t> all;
    for (int64_t r : distinct(count_include_pad ? rows.extent : rows.count))
      for (int64_t c : distinct(count_include_pad ? cols.extent : cols.count)) all.push_back(r * c);
    return distinct(all);
  }
};

AvgWindows avg_windows(Extent x, const Window& window, bool ceil_mode, bool count_include_pad,
                       int64_t divisor_override) {
  const char* who = "qavg_pool2d";
  assert(window.dilation[0] == 1 && window.dilation[1] == 1);
  return {window_axis(window, 0, x.h, ceil_mode, who), window_axis(window, 1, x.w, ceil_mode, who),
          count_include_pad, divisor_override};
}

AvgWindows adaptive_windows(Extent x, std::array<int64_t, 2> output_size) {
  return {adaptive_axis(x.h, output_size[0]), adaptive_axis(x.w, output_size[1])};
}

class QMaxPool2dLayer final : public Layer {
 public:
  QMaxPool2dLayer(const Kernels& kernels, Extent x, Axis rows, Axis cols)
      : kernels_(kernels), channels_(x.c), rows_(std::move(rows)), cols_(std::move(cols)) {}

  int64_t units(int64_t n) const override { return n * rows_.size(); }

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    kernels_.max_pool2d({.x = xs[0],
                         .y = y,
                         .c = channels_,
                         .oh = rows_.size(),
                         .ow = cols_.size(),
                         .rows = rows_.view(),
                         .cols = cols_.view(),
                         .begin = begin,
                         .end = end});
  }

  int64_t bytes() const override { return rows_.bytes() + cols_.bytes(); }

 private:
  const Kernels& kernels_;
  int64_t channels_;
  Axis rows_, cols_;
};

class QAvgPool2dLayer final : public Layer {
 public:
  QAvgPool2dLayer(const Kernels& kernels, Extent x, AvgWindows windows, int32_t x_zero_point,
                  const DivisorRequant& requant, const char* who)
      : kernels_(kernels),
        channels_(x.c),
        windows_(std::move(windows)),
        x_zero_point_(x_zero_point),
        multiplier_(requant.multiplier.begin(), requant.multiplier.end()),
        shift_(requant.shift.begin(), requant.shift.end()),
        out_(requant.out) {
    std::map<int64_t, int32_t> index;
    for (size_t i = 0; i < requant.divisors.size(); ++i)
      index.emplace(requant.divisors[i], static_cast<int32_t>(i));
    which_.reserve(windows_.rows.size() * windows_.cols.size());
    for (int64_t oy = 0; oy < windows_.rows.size(); ++oy) {
      for (int64_t ox = 0; ox < windows_.cols.size(); ++ox) {
        const auto found = index.find(windows_.divisor(oy, ox));
        require(found != index.end(), who, ".divisors: ", windows_.divisor(oy, ox),
                " occurs in this pool and has no multiplier");
        which_.push_back(found->second);
      }
    }
  }

  int64_t units(int64_t n) const override { return n * windows_.rows.size(); }

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    kernels_.avg_pool2d({.x = xs[0],
                         .y = y,
                         .c = channels_,
                         .oh = windows_.rows.size(),
                         .ow = windows_.cols.size(),
                         .rows = windows_.rows.view(),
                         .cols = windows_.cols.view(),
                         .which = which_.data(),
                         .multiplier = multiplier_.data(),
                         .shift = shift_.data(),
                         .x_zero_point = x_zero_point_,
                         .y_zero_point = out_.zero_point,
                         .lo = out_.lo,
                         .hi = out_.hi,
                         .begin = begin,
                         .end = end});
  }

  int64_t bytes() const override {
    return windows_.rows.bytes() + windows_.cols.bytes() +
           4 * static_cast<int64_t>(which_.size() + multiplier_.size() + shift_.size());
  }

 private:
  const Kernels& kernels_;
  int64_t channels_;
  AvgWindows windows_;
  int32_t x_zero_point_;
  std::vector<int32_t> multiplier_, shift_, which_;
  OutputRange out_;
};

}  // namespace

LayerPtr make_qmax_pool2d(const Kernels& kernels, Extent x, const Window& window, bool ceil_mode) {
  const char* who = "qmax_pool2d";
  return std::make_unique<QMaxPool2dLayer>(kernels, x, window_axis(window, 0, x.h, ceil_mode, who),
                                           window_axis(window, 1, x.w, ceil_mode, who));
}

LayerPtr make_qavg_pool2d(const Kernels& kernels, Extent x, const Window& window, bool ceil_mode,
                          bool count_include_pad, int64_t divisor_override, int32_t x_zero_point,
                          const DivisorRequant& requant) {
  return std::make_unique<QAvgPool2dLayer>(
      kernels, x, avg_windows(x, window, ceil_mode, count_include_pad, divisor_override), x_zero_point,
      requant, "qavg_pool2d");
}

LayerPtr make_qadaptive_avg_pool2d(const Kernels& kernels, Extent x, std::array<int64_t, 2> output_size,
                                   int32_t x_zero_point, const DivisorRequant& requant) {
  return std::make_unique<QAvgPool2dLayer>(kernels, x, adaptive_windows(x, output_size), x_zero_point,
                                           requant, "qadaptive_avg_pool2d");
}

std::vector<int64_t> avg_pool2d_divisors(Extent x, const Window& window, bool ceil_mode,
                                         bool count_include_pad, int64_t divisor_override) {
  return avg_windows(x, window, ceil_mode, count_include_pad, divisor_override).divisors();
}

std::vector<int64_t> adaptive_avg_pool2d_divisors(Extent x, std::array<int64_t, 2> output_size) {
  return adaptive_windows(x, output_size).divisors();
}

}  // namespace icepoint
