// Depthwise 3x3 with stride 1 or 2: columns of the input, interleaved once, serve all windows that hold them.
//
// Four vertical neighbours lie in a lane. With stride 1 they are the windows of two output rows, whose
// weights are (w0, w1, w2, 0) and (0, w0, w1, w2); with stride 2 the fourth has no weight. A step makes 2x2
// or 1x2 outputs, and the last columns of one step are the first of the next. Included inside a target
// region.
#pragma once

#include "kernels/wide/narrow_codes.h"

namespace icepoint::wide {

template <class V, int stride, int pieces>
class Depthwise3x3 {
 public:
  using Reg = typename V::Reg;
  using W = typename V::W;
  static constexpr int L = V::kLanes, kRows = 3 - stride;

  Depthwise3x3(const Conv2dArgs& a, const NarrowHeader& h, const NarrowBlock<V>& b)
      : a_(a), b_(b), lo_(V::splat8(h.lo)), hi_(V::splat8(h.hi)) {
    h.nibbles ? widen<typename V::Nibbles>() : widen<typename V::Bytes>();
  }

  template <class Weights>
  void widen() {
    for (int quarter = 0; quarter < 4; ++quarter) {
      const Weights weights(b_.offset + quarter * 4 * L);
      const uint8_t* w = b_.weights() + quarter * Weights::kBytes;
      constexpr int64_t next = 4 * Weights::kBytes;
      W* upper = upper_[quarter];
      if constexpr (Weights::kSteps == 1) {
        for (int kx = 0; kx < 3; ++kx) upper[kx] = weights.template widen<0>(w + kx * next);
      } else {
        upper[0] = weights.template widen<0>(w), upper[1] = weights.template widen<1>(w);
        upper[2] = weights.template widen<0>(w + next);
      }
      for (int kx = 0; kx < 3; ++kx) lower_[quarter][kx] = V::delay(upper[kx]);
    }
  }

  /// A row of y holds a step for every piece.
  static bool possible(const Conv2dGeometry& g) { return g.ow >= 2 * pieces; }

  /// Rows oy .. oy + kRows of y. Columns that two steps or two pieces reach are stored twice, the same codes.
  void rows(int64_t image, int64_t oy) const {
    const Conv2dGeometry& g = *a_.g;
    const uint8_t* x = a_.x.at(image, oy * stride - g.window.padding[0], -g.window.padding[1]) + b_.first;
    uint8_t* y = a_.y.at(image, oy, 0) + b_.first;
    const uint8_t* from[pieces];
    uint8_t* to[pieces];
    const int64_t share = (g.ow + pieces - 1) / pieces;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t at = std::min(piece * share, g.ow - share);
      from[piece] = x + at * stride * a_.x.pixel;
      to[piece] = y + at * a_.y.pixel;
    }
    Reg column[kColumns][4];
    for (int64_t ox = 0; ox < share; ox += 2) {
      const bool odd = ox + 2 > share;  // the last step of an odd share begins a column earlier
      if (odd) --ox;
      const int64_t at = ox * stride * a_.x.pixel;
      if (ox == 0 || odd)
#pragma GCC unroll 2
        for (int j = 0; j < kKept; ++j) load_column(from, at + j * a_.x.pixel, column[j]);
#pragma GCC unroll 4
      for (int j = kKept; j < kColumns; ++j) load_column(from, at + j * a_.x.pixel, column[j]);
      Reg codes[4];
      multiply(column, codes);
#pragma GCC unroll 4
      for (int i = 0; i < 2 * kRows; ++i) {
        uint8_t* there[pieces];
        for (int piece = 0; piece < pieces; ++piece)
          there[piece] = to[piece] + i / 2 * a_.y.row + (ox + i % 2) * a_.y.pixel;
        V::template scatter<pieces>(there, codes[i], b_.count);
      }
#pragma GCC unroll 2
      for (int j = 0; j < kKept; ++j)
#pragma GCC unroll 4
        for (int quarter = 0; quarter < 4; ++quarter)
          column[j][quarter] = column[kColumns - kKept + j][quarter];
    }
  }

 private:
  static constexpr int kColumns = stride + 3, kKept = 3 - stride;

  ICEPOINT_INLINE void load_column(const uint8_t* const* from, int64_t at, Reg* column) const {
    Reg tap[4];
#pragma GCC unroll 4
    for (int ky = 0; ky < kRows + 2; ++ky) tap[ky] = V::template gather<pieces>(from, at + ky * a_.x.row);
    if constexpr (stride == 2) tap[3] = tap[2];
    side_by_side<V, 1>(tap, column);
  }

  /// Codes of the windows that begin in the columns 0 and `stride`, row by row.
  ICEPOINT_INLINE void multiply(const Reg (*column)[4], Reg* codes) const {
    Reg half[4], packed[4];
#pragma GCC unroll 4
    for (int quarter = 0; quarter < 4; ++quarter) {
      const Reg bias = V::load(b_.bias + quarter * L);
      Reg acc[4] = {bias, bias, bias, bias};
#pragma GCC unroll 3
      for (int kx = 0; kx < 3; ++kx) {
        const auto left = V::four(column[kx][quarter]), right = V::four(column[kx + stride][quarter]);
        V::add_dot(acc[0], left, upper_[quarter][kx]);
        V::add_dot(acc[1], right, upper_[quarter][kx]);
        if constexpr (stride == 1) {
          V::add_dot(acc[2], left, lower_[quarter][kx]);
          V::add_dot(acc[3], right, lower_[quarter][kx]);
        }
      }
      const auto scale = b_.scales.load(quarter);
#pragma GCC unroll 4
      for (int i = 0; i < 2 * kRows; ++i) {
        const Reg code = V::requantize(acc[i], scale);
        if (quarter % 2 == 0)
          half[i] = code;
        else if (quarter == 1)
          packed[i] = V::pack16(half[i], code);
        else
          codes[i] = V::min8(V::max8(V::pack8(packed[i], V::pack16(half[i], code)), lo_), hi_);
      }
    }
  }

  const Conv2dArgs& a_;
  const NarrowBlock<V>& b_;
  Reg lo_, hi_;
  W upper_[4][3], lower_[4][3];  // weights of the upper and of the lower row, (quarter, kx)
};

}  // namespace icepoint::wide
