// A convolution on tiles: strips of rows, groups of panels that stay in L2, blocks of pixels, panels.
//
// Tiles of pixels are loaded straight from x, for a tile's rows may lie at any pitch. Included inside a
// target region.
#pragma once

#include "kernels/amx/multiply.h"
#include "kernels/amx/store.h"
#include "kernels/amx/weights.h"

namespace icepoint::amx {

inline constexpr int64_t kL1Panel = 20 << 10;   // weights that stay in L1 (48 KiB) beside pixels and sums
inline constexpr int64_t kL2Weights = 1 << 20;  // of L2 (2 MiB)
inline constexpr int64_t kL2Pixels = 512 << 10;
inline constexpr int64_t kPart = 8;  // pixels that are stored at once, or a multiple

template <class Tiles>
class Conv2d {
 public:
  Conv2d(const Conv2dArgs& a, const wide::Plan& plan)
      : a_(a), plan_(plan), weights_(plan), pending_(a, plan) {
    const Conv2dGeometry& g = *a.g;
    chunks_ = plan.chunks * (plan.kind == WeightKind::i4 ? 8 : 4) / kStep;
    steps_ = plan.kernel_rows * plan.taps * chunks_;
    pitch_ = g.window.stride[1] * a.x.pixel;
    // Panels that stay in L1 where pixels are met again by the next taps: square blocks, which draw on both
    // sides alike. Otherwise weights are the stream, and a tall block draws half as many of them.
    one_panel_ = plan.kind == WeightKind::i4 ||
                 (plan.panel_bytes <= kL1Panel && plan.kernel_rows * g.window.kernel[1] > 1);
    panels_at_once_ = one_panel_ ? 1 : std::max<int64_t>(1, kL2Weights / plan.panel_bytes);
  }

  void run() {
    if (a_.begin >= a_.end || a_.oc_begin >= a_.oc_end || a_.g->ow < (plan_.max_pool ? 2 : 1)) return;
    const int64_t row_bytes = a_.x.row * a_.g->window.stride[0] * (plan_.max_pool ? 2 : 1);
    const int64_t rows = std::max<int64_t>(1, kL2Pixels / std::max<int64_t>(1, row_bytes));
    Conv2dArgs strip = a_;
    for (; strip.begin < a_.end; strip.begin = strip.end) {
      strip.end = std::min(strip.begin + rows, a_.end);
      run(strip);
    }
    Tiles::release();
  }

 private:
  void run(const Conv2dArgs& strip) {
    tiling_ = choose_tiling(strip, plan_.max_pool);
    const int64_t line = tiling_.pitch > 0 ? tiling_.pitch : a_.g->ow;
    tall_ = !one_panel_ && (strip.end - strip.begin) * line * (plan_.max_pool ? 2 : 1) > 2 * tiling_.rows;
    Tiles::configure(tile_config(static_cast<int>(tiling_.rows), first_weights(tall_)));
    for (int64_t group = 0; group < plan_.groups; ++group) {
      const int64_t first = std::clamp<int64_t>(a_.oc_begin - group * plan_.group_oc, 0, plan_.group_oc);
      const int64_t last = std::clamp<int64_t>(a_.oc_end - group * plan_.group_oc, 0, plan_.group_oc);
      const int64_t end = ceil_div(last, kChannels);
      for (int64_t p = first / kChannels; p < end; p += panels_at_once_)
        run(strip, group, p, std::min(p + panels_at_once_, end));
    }
  }

  void run(const Conv2dArgs& strip, int64_t group, int64_t first, int64_t last) {
    if (first * kChannels >= plan_.group_oc) return;
    TileCursor cursor(strip, plan_.max_pool, tiling_);
    for (Runs* runs = &runs_[0];; runs = runs == &runs_[0] ? &runs_[1] : &runs_[0]) {
      Pixels x{{}, pitch_};
      int count = 0;
      runs->clear();
      Tile tile;
      while (count < (tall_ ? 4 : 2) && cursor.next(tile)) {
        x.tile[count] = tile.x + group * plan_.group_ic;
        runs->add(strip, plan_.max_pool, tiling_, tile, count++);
      }
      if (count == 0) break;
      for (int64_t p = first; p < last; ++p) multiply(x, count, *runs, group, p);
    }
    pending_.store(pending_.pixels());
  }

  void multiply(const Pixels& x, int count, const Runs& runs, int64_t group, int64_t panel) {
    const uint8_t* packed = reinterpret_cast<const uint8_t*>(&plan_ + 1);
    const auto& head = *reinterpret_cast<const wide::PairHead<Vec>*>(packed + group * plan_.group_bytes() +
                                                                     panel * plan_.panel_bytes);
    // A part of the last block's pixels after each step, and not less than a call is worth.
    part_ = ceil_div(pending_.pixels(), kPart * steps_ * (tall_ ? 2 : 1)) * kPart;
    int32_t* acc = acc_[turn_ ^= 1];
    if (tall_) {
      for (int half = 0; half < 2; ++half) {
        switch (count) {
          case 1:
            block<true, 1>(x, head, half, acc);
            break;
          case 2:
            block<true, 2>(x, head, half, acc);
            break;
          case 3:
            block<true, 3>(x, head, half, acc);
            break;
          default:
            block<true, 4>(x, head, half, acc);
            break;
        }
      }
    } else if (count == 1) {
      block<false, 1>(x, head, 0, acc);
    } else {
      block<false, 2>(x, head, 0, acc);
    }
    pending_.store(pending_.pixels());
    const int64_t oc = panel * kChannels;
    pending_.begin(acc, runs, head, group * plan_.group_oc + oc, std::min(kChannels, plan_.group_oc - oc));
  }

  template <bool tall, int M>
  void block(const Pixels& x, const wide::PairHead<Vec>& head, int half, int32_t* acc) {
    using B = Block<Tiles, tall, M>;
    B::start(head.bias + 16 * half);
    const Conv2dGeometry& g = *a_.g;
    Walk walk({plan_.kernel_rows, g.window.dilation[0] * a_.x.row},
              {plan_.taps, g.window.dilation[1] * a_.x.pixel}, chunks_);
    const int64_t at_once = weights_.at_once(steps_);
    for (int64_t step = 0; step < steps_; step += at_once) {
      const int64_t steps = std::min(at_once, steps_ - step);
      walk = B::add(x, walk, weights_.get(head, step, steps) + 64 * half, steps,
                    [this] { return pending_.store(part_); });
    }
    B::store(acc + 16 * half);
  }

  const Conv2dArgs& a_;
  const wide::Plan& plan_;
  Weights weights_;
  Pending pending_;
  Tiling tiling_;
  int64_t chunks_, steps_, pitch_, panels_at_once_, part_ = 0;
  bool one_panel_, tall_ = false;
  int turn_ = 0;
  Runs runs_[2];
  alignas(64) int32_t acc_[2][kTiles * kTileRows * kChannels];
};

}  // namespace icepoint::amx
