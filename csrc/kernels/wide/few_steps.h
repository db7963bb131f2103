// Convolutions whose whole reduction fits the registers: first layers of one to four channels.
//
// There the sums of a pixel take as long as the trip of blocks of them through memory, which conv2d.h makes;
// so here the weights stay in registers, and a pixel goes from x to its codes at once.
// Included inside a target region.
#pragma once

#include "kernels/wide/accumulate.h"

namespace icepoint::wide {

/// Kernel rows and steps of four bytes a row: with two vectors of channels they take 2 R C registers.
inline bool has_few_steps(const Plan& plan) {
  const bool few = plan.kernel_rows == 3 ? plan.chunks <= 4 : plan.kernel_rows == 5 && plan.chunks <= 2;
  return few && plan.kind == WeightKind::i8 && plan.taps == 1 && plan.groups == 1 && plan.codes &&
         !plan.prescale && !plan.has_residual;
}

/// Input and output bytes of the rows that every panel meets before the next ones.
inline constexpr int64_t kFewStepsBytes = 16 << 10;

template <class V>
class FewSteps {
 public:
  explicit FewSteps(const Conv2dArgs& args)
      : a_(args), g_(*args.g), plan_(*static_cast<const Plan*>(args.packed)) {}

  void run() {
    if (plan_.kernel_rows == 5) return plan_.chunks == 1 ? pools<5, 1>() : pools<5, 2>();
    switch (plan_.chunks) {
      case 1:
        return pools<3, 1>();
      case 2:
        return pools<3, 2>();
      case 3:
        return pools<3, 3>();
      default:
        return pools<3, 4>();
    }
  }

 private:
  using Reg = typename V::Reg;
  static constexpr int L = V::kLanes;

  template <int R, int C>
  void pools() {
    plan_.max_pool ? rows<R, C, 2>() : rows<R, C, 1>();
  }

  // Rows of y whose input and output stay in the first cache while every panel of channels meets them.
  template <int R, int C, int kDown>
  void rows() {
    const int64_t row_bytes = kDown * g_.window.stride[0] * a_.x.row + a_.y.row;
    const int64_t rows = std::max(kFewStepsBytes / row_bytes, int64_t{1});
    for (int64_t row = a_.begin; row < a_.end; row += rows) {
      const uint8_t* packed = static_cast<const uint8_t*>(a_.packed) + sizeof(Plan);
      for (int64_t oc = 0; oc < g_.oc; oc += 2 * L, packed += plan_.panel_bytes)
        if (oc < a_.oc_end && oc + 2 * L > a_.oc_begin)
          panel<R, C, kDown>(row, std::min(row + rows, a_.end), *reinterpret_cast<const PairHead<V>*>(packed),
                             oc);
    }
  }

  // The rows of x that a row of y takes, and that row from channel `oc` on.
  template <int R, int kDown>
  struct Row {
    const uint8_t* x[kDown][R];
    uint8_t* y;

    ICEPOINT_INLINE Row(const FewSteps& f, int64_t row, int64_t oc) {
      const int64_t oh = f.g_.oh / kDown, image = row / oh, at = row % oh;
      y = f.a_.y.at(image, at, 0) + oc;
      const Window& w = f.g_.window;
      for (int below = 0; below < kDown; ++below)
        for (int r = 0; r < R; ++r)
          x[below][r] = f.a_.x.at(
              image, (at * kDown + below) * w.stride[0] + r * w.dilation[0] - w.padding[0], -w.padding[1]);
    }
  };

  template <int R, int C, int kDown>
  void panel(int64_t first_row, int64_t end_row, const PairHead<V>& head, int64_t oc) const {
    const auto* weights = reinterpret_cast<const uint8_t*>(&head + 1);
    Reg w[R * C][2];
    unrolled<R * C>([&](auto i) ICEPOINT_ALWAYS_INLINE {
      w[i][0] = V::load(weights + 2 * i * V::Bytes::kBytes);
      w[i][1] = V::load(weights + (2 * i + 1) * V::Bytes::kBytes);
    });
    const typename V::Scale first = head.scales.load(0), second = head.scales.load(1);
    const Reg lo = V::splat8(plan_.lo), hi = V::splat8(plan_.hi);
    const int64_t n = g_.ow / kDown, step = g_.window.stride[1] * a_.x.pixel, next = kDown * step;
    const int begin = static_cast<int>(std::max(a_.oc_begin - oc, int64_t{0}));
    const int end = static_cast<int>(std::min({a_.oc_end - oc, g_.oc - oc, int64_t{2 * L}}));
    const typename V::Part part(begin, end);
    const bool few = begin == 0 && end <= L / 2, whole = begin == 0 && end == 2 * L;
    if (few && next <= V::Near::kMostStep)
      quarters<R, C, kDown>(first_row, end_row, head, oc, w, end, typename V::Near(next));
    else if (few)
      quarters<R, C, kDown>(first_row, end_row, head, oc, w, end, typename V::Apart{next});

    for (int64_t row = first_row; row < end_row; ++row) {
      const Row<R, kDown> at(*this, row, oc);
      // One pixel of y as int16; `from` bytes from the rows' first.
      const auto code = [&](int64_t from) ICEPOINT_ALWAYS_INLINE {
        Reg most[2];
        unrolled<kDown * kDown>([&](auto p) ICEPOINT_ALWAYS_INLINE {
          Reg sum[2] = {V::load(head.bias), V::load(head.bias + L)};
          unrolled<R * C>([&](auto i) ICEPOINT_ALWAYS_INLINE {
            const typename V::X four =
                V::splat_x(at.x[p / kDown][i / C] + from + p % kDown * step + i % C * 4);
            sum[0] = V::dot(sum[0], four, w[i][0]);
            sum[1] = V::dot(sum[1], four, w[i][1]);
          });
          most[0] = p == 0 ? sum[0] : V::max32(most[0], sum[0]);
          most[1] = p == 0 ? sum[1] : V::max32(most[1], sum[1]);
        });
        return V::pack16(V::requantize(most[0], first), V::requantize(most[1], second));
      };
      const auto both = [&](Reg p, Reg q) ICEPOINT_ALWAYS_INLINE {
        return V::min8(V::max8(V::unmix(V::pack8(p, q)), lo), hi);
      };
      int64_t i = few ? n / 4 * 4 : 0;
      uint8_t* y = at.y + i * a_.y.pixel;
      if (whole) {
        for (; i + 2 <= n; i += 2, y += 2 * a_.y.pixel) {
          const Reg codes = both(code(i * next), code(i * next + next));
          V::store_low(y, codes);
          V::store_high(y + a_.y.pixel, codes);
        }
      }
      for (; i < n; ++i, y += a_.y.pixel) {
        const Reg one = code(i * next);
        V::store_low(y, both(one, one), part);
      }
    }
  }

  // A last panel of few channels, L / 2 or less: its first quarter holds them all, so the four quarters take
  // four pixels at a time, n / 4 times.
  template <int R, int C, int kDown, class Bytes>
  void quarters(int64_t first_row, int64_t end_row, const PairHead<V>& head, int64_t oc,
                const Reg (&w)[R * C][2], int channels, const Bytes& bytes_of) const {
    Reg four[R * C][2];
    unrolled<2 * R * C>([&](auto i)
                            ICEPOINT_ALWAYS_INLINE { four[i / 2][i % 2] = V::spread(w[i / 2][i % 2]); });
    const Reg bias[2] = {V::spread(V::load(head.bias)), V::spread(V::load(head.bias + L))};
    const typename V::Scale first = V::spread(head.scales.load(0)), second = V::spread(head.scales.load(1));
    const Reg lo = V::splat8(plan_.lo), hi = V::splat8(plan_.hi);
    const int64_t n = g_.ow / kDown, step = g_.window.stride[1] * a_.x.pixel, next = kDown * step;
    for (int64_t row = first_row; row < end_row; ++row) {
      const Row<R, kDown> at(*this, row, oc);
      uint8_t* y = at.y;
      for (int64_t i = 0; i + 4 <= n; i += 4, y += 4 * a_.y.pixel) {
        Reg most[2];
        unrolled<kDown * kDown>([&](auto p) ICEPOINT_ALWAYS_INLINE {
          Reg sum[2] = {bias[0], bias[1]};
          const int64_t from = i * next + p % kDown * step;
          unrolled<R * C>([&](auto k) ICEPOINT_ALWAYS_INLINE {
            const typename V::X bytes = bytes_of(at.x[p / kDown][k / C] + from + k % C * 4);
            sum[0] = V::dot(sum[0], bytes, four[k][0]);
            sum[1] = V::dot(sum[1], bytes, four[k][1]);
          });
          most[0] = p == 0 ? sum[0] : V::max32(most[0], sum[0]);
          most[1] = p == 0 ? sum[1] : V::max32(most[1], sum[1]);
        });
        const Reg codes = V::pack16(V::requantize(most[0], first), V::requantize(most[1], second));
        V::store_quarters(y, a_.y.pixel, V::min8(V::max8(V::pack8(codes, codes), lo), hi), channels);
      }
    }
  }

  const Conv2dArgs& a_;
  const Conv2dGeometry& g_;
  const Plan& plan_;
};

}  // namespace icepoint::wide
