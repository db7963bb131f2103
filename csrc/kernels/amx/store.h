// Sums of finished blocks on their way to y, some pixels at a time: between the products of the next block.
//
// Requantizing a block takes as many cycles as multiplying it where k is small. Done in pieces between the
// products, which the tile unit works off by itself, it costs next to nothing: 410 ns instead of 643 for 32
// pixels by 32 channels at k = 256. Included inside a target region.
#pragma once

#include "kernels/avx512vnni/vec.h"
#include "kernels/wide/accumulate.h"

namespace icepoint::amx {

using avx512vnni::Vec;

inline constexpr int64_t kChannels = 32;  // of a panel
inline constexpr int64_t kTiles = 4;      // of pixels, most of a block

/// Neighbours in y out of one tile.
struct Run {
  int64_t acc;  // the first one's place among the block's sums
  int64_t pixels;
  uint8_t* y;               // channel 0
  const uint8_t* residual;  // channel 0; null without one
};

/// The pixels of a block, shared by all panels that meet them.
class Runs {
 public:
  void clear() { count_ = 0, pixels_ = 0; }
  int count() const { return count_; }
  int64_t pixels() const { return pixels_; }
  const Run& operator[](int i) const { return run_[i]; }

  /// The pixels of the block's tile `index`. Before a max_pool only the upper tile of a pair of them has
  /// pixels of y.
  void add(const Conv2dArgs& a, bool pool, const Tiling& tiling, const Tile& tile, int64_t index) {
    const int64_t down = pool ? 2 : 1;
    if (tile.oy % down != 0) return;
    int64_t oy = tile.oy, ox = tile.ox;
    for (int64_t i = 0; i < tiling.rows;) {
      const int64_t room = tiling.pitch > 0 ? tiling.pitch - ox : tiling.rows;  // to the end of the row
      const int64_t first = std::max(tile.first - i, int64_t{0});
      const int64_t last = std::min({tiling.rows - i, room, a.g->ow - ox});
      if (first < last) {
        Run& run = run_[count_++];
        run = {(index * kTileRows + i + first) * kChannels, (last - first) / down,
               a.y.at(tile.image, oy / down, (ox + first) / down), nullptr};
        if (a.residual.data != nullptr) run.residual = a.residual.at(tile.image, oy, ox + first);
        pixels_ += run.pixels;
      }
      i += room, ++oy, ox = 0;
    }
  }

 private:
  Run run_[kTiles * kTileRows];  // rows of one pixel, if it comes to that
  int count_ = 0;
  int64_t pixels_ = 0;
};

/// A block that is multiplied and not yet stored.
class Pending {
 public:
  Pending(const Conv2dArgs& a, const wide::Plan& plan)
      : sum_(plan.residual, plan.zero_point, plan.lo, plan.hi),
        acc_step_(kChannels * (plan.max_pool ? 2 : 1)),
        size_(plan.codes ? 1 : sizeof(int32_t)) {
    block_ = {.acc = nullptr,
              .acc_pixel = kChannels,
              .acc_row = kTileRows * kChannels,
              .pixels = 0,
              .y = nullptr,
              .y_pixel = a.y.pixel,
              .residual = nullptr,
              .residual_pixel = a.residual.pixel,
              .begin = 0,
              .end = 0,
              .prescale = plan.prescale,
              .lo = plan.has_residual ? plan.residual.lo : plan.lo,
              .hi = plan.has_residual ? plan.residual.hi : plan.hi};
    store_ = !plan.codes         ? store_accumulators
             : plan.max_pool     ? wide::store_codes<Vec, true, false>
             : plan.has_residual ? wide::store_codes<Vec, false, true>
                                 : wide::store_codes<Vec, false, false>;
  }

  int64_t pixels() const { return left_; }

  /// Channels oc .. oc + channels - 1 of these pixels are summed.
  void begin(const int32_t* acc, const Runs& runs, const wide::PairHead<Vec>& head, int64_t oc,
             int64_t channels) {
    acc_ = acc, runs_ = &runs, head_ = &head, oc_ = oc;
    block_.end = static_cast<int>(channels);
    at_ = 0, done_ = 0, left_ = runs.pixels();
  }

  /// Stores so many pixels, or those that are left; whether there are more.
  bool store(int64_t pixels) {
    while (pixels > 0 && left_ > 0) {
      const Run& run = (*runs_)[at_];
      const int64_t n = std::min(pixels, run.pixels - done_);
      block_.acc = acc_ + run.acc + done_ * acc_step_;
      block_.pixels = n;
      block_.y = run.y + done_ * block_.y_pixel + oc_ * size_;
      if (run.residual != nullptr) block_.residual = run.residual + done_ * block_.residual_pixel + oc_;
      store_(block_, head_->scales, &sum_);
      pixels -= n, left_ -= n, done_ += n;
      if (done_ == run.pixels) ++at_, done_ = 0;
    }
    return left_ > 0;
  }

 private:
  static void store_accumulators(const wide::PairBlock<Vec>& block, const wide::Scales<Vec, 2>&,
                                 const wide::Sum<Vec>*) {
    wide::store_accumulators(block);
  }

  using Store = void (*)(const wide::PairBlock<Vec>&, const wide::Scales<Vec, 2>&, const wide::Sum<Vec>*);

  wide::Sum<Vec> sum_;
  wide::PairBlock<Vec> block_;
  Store store_;
  int64_t acc_step_, size_;
  const int32_t* acc_ = nullptr;
  const Runs* runs_ = nullptr;
  const wide::PairHead<Vec>* head_ = nullptr;
  int64_t oc_ = 0, done_ = 0, left_ = 0;
  int at_ = 0;
};

}  // namespace icepoint::amx
