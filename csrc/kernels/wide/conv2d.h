// A convolution's loops over strips of rows, panels of output channels, rows and pixels.
//
// Included inside a target region.
#pragma once

#include "kernels/wide/accumulate_table.h"
#include "kernels/wide/pack.h"

namespace icepoint::wide {

/// Input and output bytes of a strip: with a panel's weights they stay in the second cache while every
/// panel meets the strip.
inline constexpr int64_t kStripBytes = 256 << 10;

/// A panel larger than this would push the one in use out of the second cache.
inline constexpr int64_t kFarPanel = 256 << 10;

template <class V>
class Conv2d {
 public:
  explicit Conv2d(const Conv2dArgs& args)
      : a_(args),
        g_(*args.g),
        plan_(*static_cast<const Plan*>(args.packed)),
        table_(accumulate_table<V>(plan_)),
        sum_(plan_.residual, plan_.zero_point, plan_.lo, plan_.hi),
        down_(plan_.max_pool ? 2 : 1),
        oh_(g_.oh / down_),
        flat_(flat()),
        rows_(flat_ ? 1 : a_.end - a_.begin),
        width_(flat_ ? (a_.end - a_.begin) * g_.ow : g_.ow / down_),
        reduction_{.kernel_rows = plan_.kernel_rows,
                   .taps = plan_.taps,
                   .chunks = plan_.chunks,
                   .row_step = g_.window.dilation[0] * a_.x.row,
                   .tap_step = g_.window.dilation[1] * a_.x.pixel,
                   .pixel = g_.window.stride[1] * a_.x.pixel},
        plain_(plan_.kind == WeightKind::i8 && plan_.codes && !plan_.prescale && !plan_.max_pool) {}

  void run() {
    if (rows_ <= 0 || width_ <= 0) return;
    const int64_t pixel_bytes = down_ * down_ * g_.window.stride[0] * reduction_.pixel + a_.y.pixel;
    const int64_t pixels = std::max(kStripBytes / pixel_bytes, int64_t{1});
    const int64_t strip_rows = std::max(pixels / width_, int64_t{1});
    const int64_t strips = divide_up(rows_, strip_rows);
    const int64_t parts = rows_ > 1 ? 1 : divide_up(width_, std::max(pixels, int64_t{V::kBlock}));
    for (int64_t s = 0; s < strips; ++s)
      for (int64_t part = 0; part < parts; ++part)
        strip({part_begin(rows_, strips, s), part_begin(rows_, strips, s + 1),
               part_begin(width_, parts, part), part_begin(width_, parts, part + 1)});
  }

 private:
  static constexpr int L = V::kLanes;

  // Rows and columns of y.
  struct Strip {
    int64_t begin, end, left, right;
  };

  struct PanelRef {
    const PairHead<V>* heads;
    const uint8_t* weights;
    int64_t pairs;
    int64_t oc, channels;  // the first output channel, and how many
    int64_t ic;            // the group's first input channel
    int64_t next;          // bytes to the next panel, 0 behind the last
  };

  // A 1x1 convolution whose pixels lie in one line has no rows: blocks of pixels need not end with them.
  bool flat() const {
    const auto line = [&](const auto& v) {
      return v.row == g_.ow * v.pixel &&
             (v.image == g_.oh * v.row || a_.begin / g_.oh == (a_.end - 1) / g_.oh);
    };
    const Window& w = g_.window;
    return w.kernel == std::array<int64_t, 2>{1, 1} && w.stride == w.kernel && !plan_.max_pool &&
           w.padding == std::array<int64_t, 4>{} && line(a_.x) && line(a_.y) &&
           (!plan_.has_residual || line(a_.residual));
  }

  void strip(const Strip& s) {
    const uint8_t* packed = static_cast<const uint8_t*>(a_.packed) + sizeof(Plan);
    for (int64_t group = 0; group < plan_.groups; ++group) {
      for (int64_t i = 0; i < plan_.panels; ++i) {
        const bool last = i + 1 == plan_.panels;
        const int64_t pairs = last ? plan_.last_pairs : V::kPanelPairs;
        const int64_t first = i * plan_.panel_channels;
        const PanelRef p{.heads = reinterpret_cast<const PairHead<V>*>(packed),
                         .weights = packed + pairs * sizeof(PairHead<V>),
                         .pairs = pairs,
                         .oc = group * plan_.group_oc + first,
                         .channels = std::min(plan_.panel_channels, plan_.group_oc - first),
                         .ic = group * plan_.group_ic,
                         .next = last || plan_.panel_bytes > kFarPanel ? 0 : plan_.panel_bytes};
        if (p.oc < a_.oc_end && p.oc + p.channels > a_.oc_begin) panel(s, p);
        packed += last ? plan_.last_bytes : plan_.panel_bytes;
      }
    }
  }

  // Where two rows of y and their inputs begin: at the strip's first column, the panel's first channel.
  struct Rows {
    const uint8_t* x[2];  // one after the other, or the two that a pool takes
    uint8_t* y[2];
    const uint8_t* residual[2];
  };

  void panel(const Strip& s, const PanelRef& p) {
    const int64_t width = s.right - s.left;
    // Two rows of a narrow map fill the registers.
    const bool two = down_ == 1 && 2 * width <= V::max_pixels(static_cast<int>(p.pairs));
    const int64_t blocks = divide_up(width, V::kBlock / down_);
    const int64_t size = width / blocks, larger = width % blocks;  // so many blocks have a pixel more
    for (int64_t row = s.begin; row < s.end;) {
      const int64_t rows = two && row + 1 < s.end ? 2 : 1;
      Rows at = find_rows(p, row, rows, s.left);
      for (int64_t b = 0; b < blocks; ++b) {
        // The second block, or the only one, asks for the next panel while this one is near.
        const int64_t second = s.begin + rows < s.end ? s.begin + rows : s.begin;
        const bool asks = blocks > 1 ? row == s.begin && b == 1 : row == second;
        reduction_.ahead = asks ? p.next : 0;
        block(p, at, rows, size + (b < larger ? 1 : 0));
      }
      row += rows;
    }
  }

  Rows find_rows(const PanelRef& p, int64_t row, int64_t rows, int64_t left) const {
    const int64_t y_bytes = plan_.codes ? 1 : static_cast<int64_t>(sizeof(int32_t));
    const auto [stride_y, stride_x] = g_.window.stride;
    Rows found{};
    for (int64_t r = 0; r < 2; ++r) {
      const int64_t at = a_.begin + row + (r < rows ? r : 0), image = at / oh_, oy = at % oh_;
      const int64_t convolution_row = oy * down_ + (down_ == 2 ? r : 0);
      found.x[r] = a_.x.at(image, convolution_row * stride_y - g_.window.padding[0],
                           left * down_ * stride_x - g_.window.padding[1]) +
                   p.ic;
      found.y[r] = a_.y.at(image, oy, left) + p.oc * y_bytes;
      if (plan_.has_residual) found.residual[r] = a_.residual.at(image, oy, left) + p.oc;
    }
    return found;
  }

  // n pixels of `rows` rows of y; `at` goes on to the next ones.
  void block(const PanelRef& p, Rows& at, int64_t rows, int64_t n) {
    constexpr int64_t kRow = V::kBlock * 2 * L * V::kPanelPairs;
    alignas(64) int32_t acc[2 * kRow];
    if constexpr (V::kCodesInRegisters) {
      if (plain_ && rows == 1) return codes(p, at, n);
    }
    const int64_t pixels = n * down_;
    if (down_ == 2) accumulate(p, 1, pixels, at.x + 1, acc + kRow);
    accumulate(p, rows, pixels, at.x, acc);
    for (int64_t r = 0; r < rows; ++r) finish(p, at, r, n, acc + r * n * 2 * L * p.pairs);
    for (int64_t r = 0; r < 2; ++r) {
      at.x[r] += pixels * reduction_.pixel;
      at.y[r] += n * a_.y.pixel;
      at.residual[r] += n * a_.residual.pixel;
    }
  }

  // block() of one row whose codes need no accumulators in memory.
  void codes(const PanelRef& p, Rows& at, int64_t n) const {
    const int64_t most = std::min(p.channels, int64_t{2 * L});
    const RowCodes<V> to{.y = at.y[0],
                         .y_pixel = a_.y.pixel,
                         .residual = at.residual[0],
                         .residual_pixel = a_.residual.pixel,
                         .sum = &sum_,
                         .begin = static_cast<int>(std::clamp(a_.oc_begin - p.oc, int64_t{0}, most)),
                         .end = static_cast<int>(std::clamp(a_.oc_end - p.oc, int64_t{0}, most)),
                         .lo = plan_.has_residual ? plan_.residual.lo : plan_.lo,
                         .hi = plan_.has_residual ? plan_.residual.hi : plan_.hi};
    kCodes<V>.call[plan_.has_residual][n](reduction_, at.x[0], p.heads, p.weights, to);
    at.x[0] += n * reduction_.pixel;
    at.y[0] += n * a_.y.pixel;
    at.residual[0] += n * a_.residual.pixel;
  }

  void accumulate(const PanelRef& p, int64_t rows, int64_t n, const uint8_t* const* x, int32_t* acc) const {
    const auto& call = table_.call[p.pairs - 1][rows - 1];
    const int64_t most = V::max_pixels(static_cast<int>(p.pairs));
    if (n * rows <= most) return call[n](reduction_, x, p.heads, p.weights, acc);
    const uint8_t* from = *x;
    for (int64_t parts = divide_up(n, most); parts > 0; --parts) {
      const int64_t pixels = divide_up(n, parts);
      call[pixels](reduction_, &from, p.heads, p.weights, acc);
      from += pixels * reduction_.pixel;
      acc += pixels * 2 * L * p.pairs;
      n -= pixels;
    }
  }

  // n pixels of one row from their accumulators to y.
  void finish(const PanelRef& p, const Rows& at, int64_t r, int64_t n, const int32_t* acc) const {
    for (int64_t pair = 0; pair < p.pairs; ++pair, acc += 2 * L) {
      const int64_t first = pair * 2 * L, channels = std::min(p.channels - first, int64_t{2 * L});
      PairBlock<V> b{.acc = acc,
                     .acc_pixel = 2 * L * p.pairs,
                     .acc_row = V::kBlock * 2 * L * V::kPanelPairs,
                     .pixels = n,
                     .y = at.y[r] + first * (plan_.codes ? 1 : static_cast<int64_t>(sizeof(int32_t))),
                     .y_pixel = a_.y.pixel,
                     .residual = plan_.has_residual ? at.residual[r] + first : nullptr,
                     .residual_pixel = a_.residual.pixel,
                     .begin = static_cast<int>(std::clamp(a_.oc_begin - p.oc - first, int64_t{0}, channels)),
                     .end = static_cast<int>(std::clamp(a_.oc_end - p.oc - first, int64_t{0}, channels)),
                     .prescale = plan_.prescale,
                     .lo = plan_.has_residual ? plan_.residual.lo : plan_.lo,
                     .hi = plan_.has_residual ? plan_.residual.hi : plan_.hi};
      if (b.begin >= b.end) continue;
      store_block(b, plan_, p.heads[pair].scales, sum_);
    }
  }

  const Conv2dArgs& a_;
  const Conv2dGeometry& g_;
  const Plan& plan_;
  const AccumulateTable<V>& table_;
  const Sum<V> sum_;
  const int64_t down_, oh_;  // rows and columns of the convolution to one of y; y's rows an image
  const bool flat_;
  const int64_t rows_, width_;
  Reduction reduction_;
  const bool plain_;  // bytes of weights to codes, without a pool or a shift below kLeastShift
};

}  // namespace icepoint::wide
