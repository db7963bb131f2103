// Narrow groups with a 3x3 window, stride 1 or 2: columns of the input serve all windows that hold them.
//
// A column is four vertical neighbours: the windows of two output rows where the stride is 1. Their bytes or
// words lie side by side in the lanes, so the upper window's weights are (w0, w1, w2, 0) and the lower one's
// (0, w0, w1, w2). With stride 2 the fourth has no weight. A step makes 2x2 outputs, the largest of 2x2, or
// 1x2 outputs; the last columns of one step are the first of the next. Included inside a target region.
#pragma once

#include "kernels/wide/narrow_codes.h"

namespace icepoint::wide {

template <class V, int unit, int stride, bool pool, int pieces>
class Narrow3x3 {
 public:
  using Reg = typename V::Reg;
  using W = typename V::W;
  static constexpr int L = V::kLanes;
  static constexpr int kRows = stride == 1 && !pool ? 2 : 1, kColumns = pool ? 1 : 2;  // outputs of a step

  Narrow3x3(const Conv2dArgs& a, const NarrowHeader& h, const NarrowBlock<V>& b)
      : a_(a), b_(b), lo_(V::splat8(h.lo)), hi_(V::splat8(h.hi)), width_(a.g->ow / (pool ? 2 : 1)) {
    h.nibbles ? widen<typename V::Nibbles>(h) : widen<typename V::Bytes>(h);
  }

  /// Rows oy .. oy + kRows of y. Columns that two steps or two pieces reach are stored twice, the same codes.
  void rows(int64_t image, int64_t oy) const {
    constexpr int64_t down = pool ? 2 : stride;
    const Window& w = a_.g->window;
    const uint8_t* x = a_.x.at(image, oy * down - w.padding[0], -w.padding[1]) + b_.first;
    uint8_t* y = a_.y.at(image, oy, 0) + b_.first;
    const uint8_t* from[pieces];
    uint8_t* to[pieces];
    const int64_t share = (width_ + pieces - 1) / pieces;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t at = std::min(piece * share, width_ - share);
      from[piece] = x + at * down * a_.x.pixel;
      to[piece] = y + at * a_.y.pixel;
    }
    Reg column[kWide][4];
    for (int64_t ox = 0; ox < share; ox += kColumns) {
      const bool odd = ox + kColumns > share;  // the last step of an odd share begins a column earlier
      if (odd) --ox;
      const int64_t at = ox * down * a_.x.pixel;
      if (ox == 0 || odd)
#pragma GCC unroll 2
        for (int j = 0; j < kKept; ++j) load_column(from, at + j * a_.x.pixel, column[j]);
#pragma GCC unroll 4
      for (int j = kKept; j < kWide; ++j) load_column(from, at + j * a_.x.pixel, column[j]);
      Reg codes[kRows * kColumns];
      multiply(column, codes);
#pragma GCC unroll 4
      for (int i = 0; i < kRows * kColumns; ++i) {
        uint8_t* there[pieces];
        for (int piece = 0; piece < pieces; ++piece)
          there[piece] = to[piece] + i / kColumns * a_.y.row + (ox + i % kColumns) * a_.y.pixel;
        V::template scatter<pieces>(there, codes[i], b_.count);
      }
#pragma GCC unroll 2
      for (int j = 0; j < kKept; ++j)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) column[j][i] = column[kWide - kKept + j][i];
    }
  }

 private:
  static constexpr int kWide = stride + 3, kKept = 3 - stride;  // columns of a step, and of its next one too
  static constexpr int kSums = stride == 1 ? 4 : 2;             // windows of a step
  static constexpr int kTerms = unit == 4 ? 3 : unit;           // products of a column for one window and sum
  static constexpr int kLower = unit != 4 && stride == 1 ? kTerms : 0;

  template <class Weights>
  void widen(const NarrowHeader& h) {
    for (int a = 0; a < 4; ++a) {
      const Weights weights(b_.offset + a * 4 * L);
      const auto at = [&](int64_t step) {
        const uint8_t* w = b_.weights() + (step / Weights::kSteps * 4 + a) * Weights::kBytes;
        if constexpr (Weights::kSteps == 2)
          if (step % 2 == 1) return weights.template widen<1>(w);
        return weights.template widen<0>(w);
      };
      for (int i = 0; i < 3 * kTerms; ++i) upper_[a][i] = at(i);
      for (int i = 0; i < 3 * kLower; ++i) lower_[a][i] = at(h.steps + i);
    }
  }

  ICEPOINT_INLINE void load_column(const uint8_t* const* from, int64_t at, Reg* column) const {
    Reg tap[4];
#pragma GCC unroll 4
    for (int ky = 0; ky < (stride == 1 ? 4 : 3); ++ky)
      tap[ky] = V::template gather<pieces>(from, at + ky * a_.x.row);
    if constexpr (stride == 2) tap[3] = tap[2];
    if constexpr (unit == 4) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) column[i] = tap[i];
    } else {
      side_by_side<V, unit>(tap, column);
      if constexpr (unit == 2) side_by_side<V, unit>(tap + 2, column + 2);
    }
  }

  /// The vector of a column that term `i` of sum `a` reads.
  static constexpr int vector_of(int a, int i) {
    return unit == 1 ? a : unit == 2 ? 2 * i + a / 2 : i;
  }

  /// Codes of the windows that begin in the columns 0 and `stride`, row by row.
  ICEPOINT_INLINE void multiply(const Reg (*column)[4], Reg* codes) const {
    constexpr int outputs = kRows * kColumns;
    Reg half[outputs], packed[outputs];
#pragma GCC unroll 4
    for (int a = 0; a < 4; ++a) {
      const Reg bias = V::load(b_.bias + a * L);
      Reg acc[4] = {bias, bias, bias, bias};
#pragma GCC unroll 9
      for (int i = 0; i < 3 * kTerms; ++i) {
        const int kx = i / kTerms, v = vector_of(a, i % kTerms);
        const W upper = V::hold(upper_[a][i]);
        V::add_dot(acc[0], V::four(column[kx][v]), upper);
        V::add_dot(acc[1], V::four(column[kx + stride][v]), upper);
        if constexpr (stride == 1) {
          const W lower = unit == 4 ? upper : V::hold(lower_[a][i % (3 * kLower + (kLower == 0))]);
          const int below = unit == 4 ? v + 1 : v;
          V::add_dot(acc[2], V::four(column[kx][below]), lower);
          V::add_dot(acc[3], V::four(column[kx + 1][below]), lower);
        }
      }
      if constexpr (pool) acc[0] = V::max32(V::max32(acc[0], acc[1]), V::max32(acc[2], acc[3]));
      const auto scale = b_.scales.load(a);
#pragma GCC unroll 4
      for (int i = 0; i < outputs; ++i) {
        const Reg code = V::requantize(acc[i], scale);
        if (a % 2 == 0)
          half[i] = code;
        else if (a == 1)
          packed[i] = V::pack16(half[i], code);
        else
          codes[i] = natural(V::pack8(packed[i], V::pack16(half[i], code)));
      }
    }
  }

  ICEPOINT_INLINE Reg natural(Reg codes) const {
    if constexpr (unit != 1) codes = V::template swap_axes<unit>(codes);
    return V::min8(V::max8(codes, lo_), hi_);
  }

  const Conv2dArgs& a_;
  const NarrowBlock<V>& b_;
  Reg lo_, hi_;
  int64_t width_;
  W upper_[4][3 * kTerms], lower_[4][3 * kLower + 1];  // (quarter, (kx, term)) of either row's windows
};

}  // namespace icepoint::wide
