// Convolution of narrow groups with any window: the sums of four windows (times pieces), then their codes.
// Included inside a target region.
#pragma once

#include "kernels/wide/narrow_codes.h"
#include "kernels/wide/narrow_layout.h"

namespace icepoint::wide {

/// Sums of N windows of `pieces` pixels, window i beginning at x[i]; 4 vectors to sums + 4 i vectors.
template <class V, int unit, class Weights, int pieces, int N>
void narrow_sums(const NarrowHeader& h, const NarrowBlock<V>& b, const uint8_t* const (*x)[pieces],
                 int64_t row, int32_t* sums) {
  using Reg = typename V::Reg;
  constexpr int L = V::kLanes, taps = 4 / unit;
  Reg acc[N][4];
#pragma GCC unroll 16
  for (int i = 0; i < 4 * N; ++i) acc[i / 4][i % 4] = V::zero();
  const Weights weights[4] = {Weights(b.offset), Weights(b.offset + 4 * L), Weights(b.offset + 8 * L),
                              Weights(b.offset + 12 * L)};
  const uint8_t* w = b.weights();
  const TapPlace* place;

  const auto add_step = [&](auto part) ICEPOINT_ALWAYS_INLINE {
    int64_t at[taps];
    for (int t = 0; t < taps; ++t, ++place) at[t] = place->rows * row + place->bytes;
    typename V::W four[4];
#pragma GCC unroll 4
    for (int a = 0; a < 4; ++a) four[a] = weights[a].template widen<part.value>(w + a * Weights::kBytes);
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      Reg tap[taps], quarter[taps];
#pragma GCC unroll 4
      for (int t = 0; t < taps; ++t) tap[t] = V::template gather<pieces>(x[i], at[t]);
      side_by_side<V, unit>(tap, quarter);
#pragma GCC unroll 4
      for (int a = 0; a < 4; ++a) V::add_dot(acc[i][a], V::four(quarter[a / unit]), four[a]);
    }
  };
  for (int round = 0; round < h.rounds; ++round) {
    // The first round's weights count twice.
#pragma GCC unroll 16
    for (int i = 0; i < 4 * N; ++i) acc[i / 4][i % 4] = V::add32(acc[i / 4][i % 4], acc[i / 4][i % 4]);
    place = h.places();
    for (int64_t step = 0; step < h.steps; step += Weights::kSteps, w += 4 * Weights::kBytes) {
      add_step(std::integral_constant<int, 0>{});
      if constexpr (Weights::kSteps == 2) add_step(std::integral_constant<int, 1>{});
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i)
#pragma GCC unroll 4
    for (int a = 0; a < 4; ++a)
      V::store(sums + (4 * i + a) * L, V::add32(acc[i][a], V::load(b.bias + a * L)));
}

/// Rows begin .. end of one block of channels.
template <class V, int unit, class Weights, int pieces>
void narrow_block(const Conv2dArgs& a, const NarrowHeader& h, const NarrowBlock<V>& b, int64_t begin,
                  int64_t end) {
  const Conv2dGeometry& g = *a.g;
  constexpr int kVector = 4 * V::kLanes, N = V::kPixels;
  const int pool = h.max_pool ? 2 : 1;
  const int64_t oh = g.oh / pool, width = g.ow / pool;
  const int64_t down = g.window.stride[0] * a.x.row, right = g.window.stride[1] * a.x.pixel;
  const NarrowCodes<V, unit, pieces> codes(h, b);

  for (int64_t row = begin; row < end; ++row) {
    const int64_t image = row / oh, oy = row % oh;
    const uint8_t* x =
        a.x.at(image, oy * pool * g.window.stride[0] - g.window.padding[0], -g.window.padding[1]);
    // Four windows of a 2x2 pool, or four neighbours; behind the row's end the last pixel again.
    for (int64_t ox = 0; ox < width; ox += h.max_pool ? pieces : 4 * pieces) {
      const uint8_t* from[4][pieces];
      NarrowPixels<pieces> to[4];
      for (int i = 0; i < 4; ++i) {
        for (int piece = 0; piece < pieces; ++piece) {
          const int64_t wanted = h.max_pool ? ox + piece : ox + i * pieces + piece;
          const int64_t at = std::min(wanted, width - 1);
          from[i][piece] =
              b.first + (h.max_pool ? x + i / 2 * down + (2 * at + i % 2) * right : x + at * right);
          to[i].set(a, h, piece, image, oy, at, b.first, wanted < width);
        }
      }
      const int64_t windows = h.max_pool ? 4 : std::min<int64_t>((width - ox + pieces - 1) / pieces, 4);
      alignas(64) int32_t sums[4 * kVector];
      for (int i = 0; i < windows; i += N)
        narrow_sums<V, unit, Weights, pieces, N>(h, b, from + i, a.x.row, sums + i * kVector);
      if (h.max_pool) {
        codes.store_largest(sums, to[0]);
      } else {
        for (int i = 0; i < windows; ++i) codes.store(sums + i * kVector, to[i]);
      }
    }
  }
}

}  // namespace icepoint::wide
