// 3x3 convolutions by tiles of 4x4 outputs: 36 products in place of 144, exact in integers.
//
// Sums of products are the same for any order; here they run modulo 2^32 over transformed int16, and the
// transform back divides by 576 = 64 * 9 without a remainder (winograd_plan.h says when that is known).
// Included inside a target region.
#pragma once

#include "kernels/wide/products16.h"
#include "kernels/wide/winograd_pack.h"
#include "kernels/wide/winograd_transform.h"

namespace icepoint::wide {

template <class V>
class Winograd {
 public:
  explicit Winograd(const Conv2dArgs& args)
      : a_(args),
        g_(*args.g),
        plan_(*static_cast<const WinogradPlan*>(args.packed)),
        sum_(plan_.residual, plan_.zero_point, plan_.lo, plan_.hi),
        down_(plan_.max_pool ? 2 : 1),
        oh_(g_.oh / down_),
        columns_(divide_up(g_.ow, 4)) {}

  void run() {
    // Tile rows of one image after the other; the first and the last image may be cut.
    for (int64_t row = a_.begin; row < a_.end;) {
      const int64_t image = row / oh_, end = std::min(a_.end, (image + 1) * oh_);
      image_ = image, first_ = (row - image * oh_) * down_, last_ = (end - image * oh_) * down_;
      tiles(first_ / 4 * columns_, divide_up(last_, 4) * columns_);
      row = end;
    }
  }

 private:
  static constexpr int L = V::kLanes;
  static constexpr int64_t kAtOnce = V::max_pixels(1);  // tiles in registers
  // Transformed inputs of a group of tiles stay in the second cache while every panel meets them.
  static constexpr int64_t kGroupBytes = 1 << 20;
  static constexpr int64_t kMostTiles = 4 * kAtOnce;

  // Tiles begin..end of the image, a group at a time.
  void tiles(int64_t begin, int64_t end) {
    const int64_t u_bytes =
        kPlaces * divide_up(plan_.ic, kChunk16) * kChunk16 * static_cast<int64_t>(sizeof(int16_t));
    const int64_t most = std::clamp(kGroupBytes / u_bytes / kAtOnce * kAtOnce, kAtOnce, kMostTiles);
    const int64_t groups = divide_up(end - begin, most);
    const int64_t size = divide_up(end - begin, groups);
    const Places16 largest(size, plan_.steps, 2 * L);
    uint8_t* memory = thread_scratch(static_cast<size_t>(largest.bytes(kPlaces)));
    if (memory == nullptr) return one_by_one(begin, end);
    use(memory, largest);
    for (int64_t i = 0; i < groups; ++i)
      group(begin + part_begin(end - begin, groups, i), begin + part_begin(end - begin, groups, i + 1));
  }

  // Where the system has no memory left: the same bytes, slowly.
  [[gnu::noinline]] void one_by_one(int64_t begin, int64_t end) {
    const Places16 one(1, plan_.steps, 2 * L);
    alignas(64) uint8_t memory[Places16(1, kMostWinogradChannels / 2, 2 * L).bytes(kPlaces)];
    use(memory, one);
    for (int64_t t = begin; t < end; ++t) group(t, t + 1);
    m_ = nullptr, u_ = nullptr;
  }

  void use(uint8_t* memory, const Places16& most) {
    m_ = reinterpret_cast<int32_t*>(memory);
    u_ = reinterpret_cast<int16_t*>(m_ + kPlaces * most.m_step);
  }

  void group(int64_t begin, int64_t end) {
    lie_ = Places16(end - begin, plan_.steps, 2 * L);
    for (int64_t t = begin; t < end; ++t) transform(t, u_ + (t - begin) * kChunk16);
    const int64_t first = a_.oc_begin / (2 * L), last = divide_up(a_.oc_end, 2 * L);
    for (int64_t p = first; p < last; ++p) {
      const uint8_t* panel =
          static_cast<const uint8_t*>(a_.packed) + sizeof(WinogradPlan) + p * plan_.panel_bytes;
      products16_of_places<V>(kPlaces, lie_, u_, plan_.steps,
                              reinterpret_cast<const int16_t*>(panel + sizeof(WinogradHead<V>)), m_);
      const auto& head = *reinterpret_cast<const WinogradHead<V>*>(panel);
      for (int64_t t = begin; t < end;) {
        const int64_t run = std::min({end - t, kAtOnce, columns_ - t % columns_});
        finish(head, p * 2 * L, t, run, m_ + (t - begin) * 2 * L);
        t += run;
      }
    }
  }

  // A tile's 6 x 6 patch. What lies beyond the halo belongs to outputs that are never stored: any byte will
  // do.
  void transform(int64_t tile, int16_t* to) const {
    const int64_t y = tile / columns_ * 4, x = tile % columns_ * 4;
    const uint8_t* rows[6];
    int64_t columns[6];
    for (int64_t i = 0; i < 6; ++i) {
      rows[i] = a_.x.at(image_, std::min(y + i, g_.oh + 1) - g_.window.padding[0], 0);
      columns[i] = (std::min(x + i, g_.ow + 1) - g_.window.padding[1]) * a_.x.pixel;
    }
    for (int64_t c = 0; c < plan_.ic; c += 2 * L) {
      winograd_tile<V>(rows, columns, to + c / kChunk16 * lie_.tiles * kChunk16 + c % kChunk16, lie_.u_step);
      for (const uint8_t*& row : rows) row += 2 * L;
    }
  }

  // `run` tiles of one tile row: back to accumulators, and on to y.
  void finish(const WinogradHead<V>& head, int64_t oc, int64_t tile, int64_t run, const int32_t* m) const {
    constexpr int64_t kRow = kAtOnce * 4 * 2 * L;
    alignas(64) int32_t acc[4 * kRow];
    for (int64_t t = 0; t < run; ++t)
      for (int v = 0; v < 2; ++v)
        winograd_sums<V>(m + t * 2 * L + v * L, lie_.m_step, V::load(head.center + v * L),
                         V::load(head.bias + v * L), acc + t * 4 * 2 * L + v * L, kRow, 2 * L);
    const int64_t y = tile / columns_ * 4, x = tile % columns_ * 4 / down_;
    const int64_t width = std::min(run * 4 / down_, g_.ow / down_ - x);
    for (int64_t i = 0; i < 4; i += down_)
      if (y + i >= first_ && y + i + down_ <= last_)
        store(head.scales, oc, (y + i) / down_, x, width, acc + i * kRow, kRow);
  }

  void store(const Scales<V, 2>& scales, int64_t oc, int64_t row, int64_t column, int64_t pixels,
             const int32_t* acc, int64_t acc_row) const {
    if (pixels <= 0) return;
    const int64_t channels = std::min(plan_.oc - oc, int64_t{2 * L});
    const uint8_t* residual = plan_.has_residual ? a_.residual.at(image_, row, column) + oc : nullptr;
    const PairBlock<V> b{
        .acc = acc,
        .acc_pixel = 2 * L,
        .acc_row = acc_row,
        .pixels = pixels,
        .y = a_.y.at(image_, row, column) + oc * (plan_.codes ? 1 : static_cast<int64_t>(sizeof(int32_t))),
        .y_pixel = a_.y.pixel,
        .residual = residual,
        .residual_pixel = a_.residual.pixel,
        .begin = static_cast<int>(std::clamp(a_.oc_begin - oc, int64_t{0}, channels)),
        .end = static_cast<int>(std::clamp(a_.oc_end - oc, int64_t{0}, channels)),
        .prescale = plan_.prescale,
        .lo = plan_.has_residual ? plan_.residual.lo : plan_.lo,
        .hi = plan_.has_residual ? plan_.residual.hi : plan_.hi};
    store_block(b, plan_, scales, sum_);
  }

  const Conv2dArgs& a_;
  const Conv2dGeometry& g_;
  const WinogradPlan& plan_;
  const Sum<V> sum_;
  const int64_t down_, oh_;  // rows of the convolution to one of y; y's rows an image
  const int64_t columns_;
  int64_t image_ = 0, first_ = 0, last_ = 0;  // the rows of the convolution that this call computes
  Places16 lie_{0, 0, 0};                     // of the group
  int32_t* m_ = nullptr;                      // (36, tiles, 2 L)
  int16_t* u_ = nullptr;                      // (36, chunks, tiles, 64)
};

}  // namespace icepoint::wide
