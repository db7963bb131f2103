// Convolutions as matrix products by Strassen's algorithm: 7 products in place of 8, or 49 in place of 64.
//
// Pixels, input channels of a tap, and output channels are cut into 2 or 4 parts; a tile is one pixel of each
// part. Sums run modulo 2^32, so the result is that of the plain product (docs/decisions/0026).
// Included inside a target region.
#pragma once

#include "kernels/wide/products16.h"
#include "kernels/wide/strassen_pack.h"

namespace icepoint::wide {

template <class V, int levels>
class Strassen {
 public:
  explicit Strassen(const Conv2dArgs& args)
      : a_(args),
        g_(*args.g),
        plan_(*static_cast<const StrassenPlan*>(args.packed)),
        sum_(plan_.residual, plan_.zero_point, plan_.lo, plan_.hi) {}

  void run() {
    const int64_t begin = a_.begin * g_.ow, end = a_.end * g_.ow;
    const int64_t tiles = divide_up(end - begin, kParts);
    if (tiles <= 0) return;
    const int64_t groups =
        divide_up(tiles, std::max(kGroupBytes / Places16(1, plan_.steps, 2 * L).bytes(kPlaces), kAtOnce));
    const int64_t size = divide_up(tiles, groups);
    const Places16 most(size, plan_.steps, 2 * L);
    uint8_t* memory = thread_scratch(static_cast<size_t>(most.bytes(kPlaces)));
    if (memory == nullptr) return one_by_one(begin, end);
    use(memory, most);
    for (int64_t i = 0; i < groups; ++i)
      group(std::min(begin + part_begin(tiles, groups, i) * kParts, end),
            std::min(begin + part_begin(tiles, groups, i + 1) * kParts, end));
  }

 private:
  using Reg = typename V::Reg;
  static constexpr int L = V::kLanes, kParts = 1 << levels, kPlaces = levels == 1 ? 7 : 49;
  static constexpr int64_t kAtOnce = V::max_pixels(1);  // tiles in registers
  // A group's transformed inputs and products stay in the second cache while every panel meets them.
  static constexpr int64_t kGroupBytes = 512 << 10;

  // Where the system has no memory left: the same bytes, slowly.
  [[gnu::noinline]] void one_by_one(int64_t begin, int64_t end) {
    alignas(64) uint8_t memory[kMostStrassenTile];
    use(memory, Places16(1, plan_.steps, 2 * L));
    for (int64_t pixel = begin; pixel < end; pixel += kParts) group(pixel, std::min(pixel + kParts, end));
    m_ = nullptr, u_ = nullptr;
  }

  void use(uint8_t* memory, const Places16& most) {
    m_ = reinterpret_cast<int32_t*>(memory);
    u_ = reinterpret_cast<int16_t*>(m_ + kPlaces * most.m_step);
  }

  // Pixels of y count through rows and images.
  struct Pixel {
    int64_t image, y, x;

    Pixel(int64_t index, const Conv2dGeometry& g)
        : image(index / g.ow / g.oh), y(index / g.ow % g.oh), x(index % g.ow) {}
    void next(const Conv2dGeometry& g) {
      if (++x < g.ow) return;
      x = 0;
      if (++y == g.oh) y = 0, ++image;
    }
  };

  // Part i of the group is its pixels i * count .. (i + 1) * count - 1, the last of them perhaps fewer.
  void group(int64_t begin, int64_t end) {
    lie_ = Places16(divide_up(end - begin, kParts), plan_.steps, 2 * L);
    transform(begin, end);
    for (int64_t p = a_.oc_begin / plan_.panel_channels; p * plan_.panel_channels < a_.oc_end; ++p) {
      const uint8_t* panel =
          static_cast<const uint8_t*>(a_.packed) + sizeof(StrassenPlan) + p * plan_.panel_bytes;
      const auto* heads = reinterpret_cast<const PairHead<V>*>(panel);
      products16_of_places<V>(kPlaces, lie_, u_, plan_.steps,
                              reinterpret_cast<const int16_t*>(heads + kParts), m_);
      for (int64_t t = 0; t < lie_.tiles; t += kStored)
        finish(heads, p * plan_.panel_channels, begin, end, t, std::min(kStored, lie_.tiles - t));
    }
  }

  void transform(int64_t begin, int64_t end) {
    const auto at = [&](int i) { return Pixel(std::min(begin + i * lie_.tiles, end - 1), g_); };
    const auto pixels = [&]<int... i>(std::integer_sequence<int, i...>) {
      return std::array{at(i)...};
    };
    std::array<Pixel, kParts> pixel = pixels(std::make_integer_sequence<int, kParts>{});
    const auto [stride_y, stride_x] = g_.window.stride;
    for (int64_t t = 0; t < lie_.tiles; ++t) {
      const uint8_t* x[kParts];
      for (int i = 0; i < kParts; ++i) {
        x[i] = a_.x.at(pixel[i].image, pixel[i].y * stride_y - g_.window.padding[0],
                       pixel[i].x * stride_x - g_.window.padding[1]);
        // A pixel behind the end would leave x: any byte serves, for its sums are never stored.
        if (begin + i * lie_.tiles + t + 1 < end) pixel[i].next(g_);
      }
      tile(x, u_ + t * kChunk16);
    }
  }

  // A tile's factors: 2 L channels of every piece and pixel at a time.
  void tile(const uint8_t* const (&x)[kParts], int16_t* to) const {
    const int64_t piece = plan_.piece;
    int64_t k = 0;
    for (int64_t tap = 0; tap < plan_.taps; ++tap) {
      const int64_t from = tap / plan_.kw * g_.window.dilation[0] * a_.x.row +
                           tap % plan_.kw * g_.window.dilation[1] * a_.x.pixel;
      for (int64_t c = 0; c < piece; c += 2 * L, k += 2 * L) {
        Reg a[kParts * kParts], s[kPlaces];
        for (int i = 0; i < kParts; ++i)
          for (int j = 0; j < kParts; ++j)
            a[strassen_block<levels>(i, j)] = V::load_u8_as_16(x[i] + from + j * piece + c);
        strassen_factors<levels>(a, s, strassen_left<V>);
        int16_t* first = to + k / kChunk16 * lie_.tiles * kChunk16 + k % kChunk16;
        for (int i = 0; i < kPlaces; ++i) V::store(first + i * lie_.u_step, s[i]);
      }
    }
  }

  static constexpr int64_t kStored = levels == 1 ? 12 : 6;  // tiles whose sums lie on the stack

  // Tiles tile .. tile + n of one panel: to sums, and on to y.
  void finish(const PairHead<V>* heads, int64_t oc, int64_t begin, int64_t end, int64_t tile,
              int64_t n) const {
    alignas(64) int32_t acc[kParts * kParts][kStored * 2 * L];
    for (int64_t t = 0; t < n; ++t)
      for (int v = 0; v < 2; ++v) {
        Reg c[kParts * kParts];
        const int32_t* m = m_ + (tile + t) * 2 * L + v * L;
        strassen_results<V, levels>(
            [&](int i) ICEPOINT_ALWAYS_INLINE { return V::load(m + i * lie_.m_step); }, c);
        for (int i = 0; i < kParts; ++i)
          for (int j = 0; j < kParts; ++j)
            V::store(acc[i * kParts + j] + t * 2 * L + v * L,
                     V::add32(c[strassen_block<levels>(i, j)], V::load(heads[j].bias + v * L)));
      }
    for (int i = 0; i < kParts; ++i) {
      // A run of pixels, row by row.
      const int64_t first = begin + i * lie_.tiles + tile,
                    last = std::min(first + n, std::min(end, begin + (i + 1) * lie_.tiles));
      for (int64_t at = first; at < last;) {
        const Pixel pixel(at, g_);
        const int64_t run = std::min(last - at, g_.ow - pixel.x);
        for (int j = 0; j < kParts; ++j)
          store(heads[j].scales, oc + j * 2 * L, pixel, run, acc[i * kParts + j] + (at - first) * 2 * L);
        at += run;
      }
    }
  }

  void store(const Scales<V, 2>& scales, int64_t oc, const Pixel& at, int64_t pixels,
             const int32_t* acc) const {
    const int64_t channels = std::min(plan_.oc - oc, int64_t{2 * L});
    const uint8_t* residual = plan_.has_residual ? a_.residual.at(at.image, at.y, at.x) + oc : nullptr;
    const PairBlock<V> b{
        .acc = acc,
        .acc_pixel = 2 * L,
        .acc_row = 0,
        .pixels = pixels,
        .y = a_.y.at(at.image, at.y, at.x) + oc * (plan_.codes ? 1 : static_cast<int64_t>(sizeof(int32_t))),
        .y_pixel = a_.y.pixel,
        .residual = residual,
        .residual_pixel = a_.residual.pixel,
        .begin = 0,
        .end = static_cast<int>(std::clamp(a_.oc_end - oc, int64_t{0}, channels)),
        .prescale = plan_.prescale,
        .lo = plan_.has_residual ? plan_.residual.lo : plan_.lo,
        .hi = plan_.has_residual ? plan_.residual.hi : plan_.hi};
    if (b.begin < b.end) store_block(b, plan_, scales, sum_);
  }

  const Conv2dArgs& a_;
  const Conv2dGeometry& g_;
  const StrassenPlan& plan_;
  const Sum<V> sum_;
  Places16 lie_{0, 0, 0};  // of the group
  int32_t* m_ = nullptr;   // (places, tiles, 2 L)
  int16_t* u_ = nullptr;   // (places, chunks, tiles, 64)
};

template <class V>
void strassen(const Conv2dArgs& args) {
  static_cast<const StrassenPlan*>(args.packed)->levels == 1 ? Strassen<V, 1>(args).run()
                                                             : Strassen<V, 2>(args).run();
}

}  // namespace icepoint::wide
