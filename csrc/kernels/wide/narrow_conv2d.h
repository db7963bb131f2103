// Convolution of narrow groups: which form a layer takes, and its calls. Included inside a target region.
#pragma once

#include "kernels/wide/narrow.h"
#include "kernels/wide/narrow_3x3.h"

namespace icepoint::wide {

template <class V>
class NarrowConv2d {
 public:
  static size_t packed_size(const Conv2dSpec& s) {
    return by_unit(s.g, [&](auto unit) { return NarrowLayout<V, unit.value>(s).bytes(); });
  }

  static void pack(const Conv2dSpec& s, void* packed) {
    by_unit(s.g, [&](auto unit) { return NarrowLayout<V, unit.value>(s).pack(packed); });
  }

  static void run(const Conv2dArgs& a) {
    const auto& h = *static_cast<const NarrowHeader*>(a.packed);
    // So many rows that one block leaves them in the second cache level for the next one.
    const int64_t row = a.x.row * a.g->window.stride[0] * (h.max_pool ? 2 : 1);
    const int64_t rows = std::max<int64_t>(kCache / row / 2 * 2, 2);
    for (int64_t begin = a.begin; begin < a.end; begin += rows) {
      const int64_t end = std::min(begin + rows, a.end);
      for (int64_t i = a.oc_begin / kBytes; i * kBytes < a.oc_end; ++i) {
        const auto& block = *reinterpret_cast<const NarrowBlock<V>*>(static_cast<const uint8_t*>(a.packed) +
                                                                     h.blocks_at + i * h.block_bytes);
        by_unit(*a.g, [&](auto unit) {
          const auto with = [&](auto pieces) {
            run_block<unit.value, pieces.value>(a, h, block, begin, end);
          };
          if (block.pieces == 1) return with(std::integral_constant<int, 1>{});
          if constexpr (V::kMostPieces >= 2)
            if (block.pieces == 2) return with(std::integral_constant<int, 2>{});
          if constexpr (V::kMostPieces >= 4) return with(std::integral_constant<int, 4>{});
        });
      }
    }
  }

 private:
  static constexpr int64_t kBytes = 4 * V::kLanes, kCache = int64_t{1} << 18;

  template <class F>
  static auto by_unit(const Conv2dGeometry& g, F&& f) {
    const int64_t unit = g.ic / g.groups;
    if (unit == 1) return f(std::integral_constant<int, 1>{});
    if (unit == 2) return f(std::integral_constant<int, 2>{});
    return f(std::integral_constant<int, 4>{});
  }

  template <int unit, int pieces>
  static void run_block(const Conv2dArgs& a, const NarrowHeader& h, const NarrowBlock<V>& b, int64_t begin,
                        int64_t end) {
    const auto any = [&](int64_t from, int64_t to) {
      h.nibbles ? narrow_block<V, unit, typename V::Nibbles, pieces>(a, h, b, from, to)
                : narrow_block<V, unit, typename V::Bytes, pieces>(a, h, b, from, to);
    };
    const Window& w = a.g->window;
    const bool plain = h.columns && h.rounds == 1 && h.has_requant && !h.prescale && !h.has_residual &&
                       w.dilation[0] == 1 && w.dilation[1] == 1 && w.stride[0] == w.stride[1];
    if (plain && w.stride[0] == 1 && !h.max_pool && a.g->ow > pieces && a.g->ow > 1)
      rows_3x3<Narrow3x3<V, unit, 1, false, pieces>>(a, h, b, begin, end, any);
    else if (plain && w.stride[0] == 1 && h.max_pool)
      rows_3x3<Narrow3x3<V, unit, 1, true, pieces>>(a, h, b, begin, end, any);
    else if (plain && w.stride[0] == 2 && !h.max_pool && a.g->ow > pieces && a.g->ow > 1)
      rows_3x3<Narrow3x3<V, unit, 2, false, pieces>>(a, h, b, begin, end, any);
    else
      any(begin, end);
  }

  template <class Kernel, class Any>
  static void rows_3x3(const Conv2dArgs& a, const NarrowHeader& h, const NarrowBlock<V>& b, int64_t begin,
                       int64_t end, const Any& any) {
    const Kernel kernel(a, h, b);
    const int64_t oh = a.g->oh / (h.max_pool ? 2 : 1);
    for (int64_t row = begin; row < end;) {
      const int64_t oy = row % oh;
      if (oy + kernel.kRows <= oh && row + kernel.kRows <= end) {
        kernel.rows(row / oh, oy);
        row += kernel.kRows;
      } else if (oy > 0 && row > begin) {  // a last row alone goes with the one above it, again
        kernel.rows(row / oh, oy - 1);
        row += 1;
      } else {
        any(row, row + 1);
        row += 1;
      }
    }
  }
};

}  // namespace icepoint::wide
