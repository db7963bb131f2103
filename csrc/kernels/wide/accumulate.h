// The inner loop of every convolution: a few pixels times one panel of weights, sums in registers.
//
// Included inside a target region.
#pragma once

#include "kernels/wide/epilogue.h"

namespace icepoint::wide {

/// f(0), f(1), ... f(n - 1), each argument a constant.
template <int n, class F>
ICEPOINT_INLINE void unrolled(const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) ICEPOINT_ALWAYS_INLINE {
    (f(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, n>{});
}

/// Constants of a pair of vectors of output channels.
template <class V>
struct PairHead {
  Scales<V, 2> scales;
  uint32_t bias[2 * V::kLanes];  // less the zero point's part: bias - zx sum(w')
  int8_t offset[8 * V::kLanes];  // of 4-bit weights, four times in a row a lane
};

/// The reduction of one call, in bytes of x.
struct Reduction {
  int64_t kernel_rows, taps, chunks;
  int64_t row_step, tap_step;  // from one run to the next
  int64_t pixel;               // from one output pixel to the next
  int64_t ahead = 0;           // bytes from the weights in use to those asked for; 0 asks for nothing new
};

/// Where the codes of some pixels go, channels begin..end of a pair, without a pool.
template <class V>
struct RowCodes {
  uint8_t* y;
  int64_t y_pixel;
  const uint8_t* residual;  // where there is one, as y, with its sum
  int64_t residual_pixel;
  const Sum<V>* sum;
  int begin, end;
  int32_t lo, hi;
};

/// acc (2 rows or 1, C pixels, kVectors * L) = bias + sum x w for pixels from x[row] on.
///
/// x's four bytes go to every lane, one load a pixel, and meet kVectors vectors of weights; the sums of
/// all pixels stay in registers. Few pixels get several sets of sums, for each sum waits for its last.
template <class V, class Form, int kRounds, int kVectors, int R, int C>
struct Accumulate {
  using Reg = typename V::Reg;
  static constexpr int L = V::kLanes, kSums = R * C * kVectors;
  static constexpr int kSets = kSums >= 8 ? 1 : kSums >= 4 ? 2 : 4;
  static constexpr int kBases = (C + 2) / 3;  // of a row: an address is a base + 0, 1 or 2 pixels
  static constexpr int64_t kChunk = int64_t{kVectors} * Form::kBytes;

  Reg sum[kSets][kSums];

  ICEPOINT_INLINE void round(const Reduction& k, const uint8_t* const* x, const Form* forms,
                             const uint8_t*& weights) {
    const uint8_t* w = weights;
    const int64_t pixel = k.pixel;
    for (int64_t row = 0; row < k.kernel_rows; ++row) {
      for (int64_t tap = 0; tap < k.taps; ++tap) {
        const uint8_t* base[R][kBases];
        unrolled<R>([&](auto r) ICEPOINT_ALWAYS_INLINE {
          unrolled<kBases>([&](auto b) ICEPOINT_ALWAYS_INLINE {
            base[r][b] = x[r] + row * k.row_step + tap * k.tap_step + 3 * b * pixel;
            // Hides that the bases hang together, or the compiler takes them apart into more registers.
            __asm__("" : "+r"(base[r][b]));
          });
        });
        int64_t chunk = 0;
        if constexpr (kSets > 1)
          for (; chunk + kSets <= k.chunks; chunk += kSets)
            unrolled<kSets>([&](auto set)
                                ICEPOINT_ALWAYS_INLINE { step<set>(base, pixel, forms, w, k.ahead); });
        for (; chunk < k.chunks; ++chunk) step<0>(base, pixel, forms, w, k.ahead);
      }
    }
    weights = w;
  }

  template <int set>
  ICEPOINT_INLINE void step(const uint8_t* (&base)[R][kBases], int64_t pixel, const Form* forms,
                            const uint8_t*& w, int64_t ahead) {
    unrolled<Form::kSteps>([&](auto s) ICEPOINT_ALWAYS_INLINE {
      typename V::W weight[kVectors];
      if (ahead != 0) [[unlikely]]
        for (int64_t line = 0; line < kChunk / Form::kSteps; line += 64)
          __builtin_prefetch(w + ahead + line + s * kChunk / Form::kSteps, 0, 2);
      unrolled<kVectors>([&](auto v) ICEPOINT_ALWAYS_INLINE {
        weight[v] = forms[v].template widen<s>(w + v * Form::kBytes);
      });
      unrolled<R * C>([&](auto p) ICEPOINT_ALWAYS_INLINE {
        const typename V::X x = V::splat_x(base[p / C][p % C / 3] + p % C % 3 * pixel);
        unrolled<kVectors>(
            [&](auto v) ICEPOINT_ALWAYS_INLINE { V::add_dot(sum[set][p * kVectors + v], x, weight[v]); });
      });
      unrolled<R>([&](auto r) ICEPOINT_ALWAYS_INLINE {
        unrolled<kBases>([&](auto b) ICEPOINT_ALWAYS_INLINE { base[r][b] += 4; });
      });
    });
    w += kChunk;
  }

  /// All rounds; the sums end in sum[0].
  ICEPOINT_INLINE void reduce(const Reduction& k, const uint8_t* const* x, const PairHead<V>* heads,
                              const uint8_t* w) {
    const auto form = [&](int v) ICEPOINT_ALWAYS_INLINE { return Form(heads[v / 2].offset + v % 2 * 4 * L); };
    const auto forms = [&]<int... v>(std::integer_sequence<int, v...>) ICEPOINT_ALWAYS_INLINE {
      return std::array<Form, kVectors>{form(v)...};
    }
    (std::make_integer_sequence<int, kVectors>{});
    unrolled<kSets * kSums>([&](auto i) ICEPOINT_ALWAYS_INLINE { sum[i / kSums][i % kSums] = V::zero(); });
    if constexpr (kRounds == 2) {
      round(k, x, forms.data(), w);
      unrolled<kSets * kSums>([&](auto i) ICEPOINT_ALWAYS_INLINE {
        sum[i / kSums][i % kSums] = V::add32(sum[i / kSums][i % kSums], sum[i / kSums][i % kSums]);
      });
    }
    unrolled<kSums>([&](auto i) ICEPOINT_ALWAYS_INLINE {
      constexpr int v = i % kVectors;
      sum[0][i] = V::add32(sum[0][i], V::load(heads[v / 2].bias + v % 2 * L));
    });
    round(k, x, forms.data(), w);
    unrolled<kSums>([&](auto i) ICEPOINT_ALWAYS_INLINE {
      unrolled<kSets - 1>([&](auto s)
                              ICEPOINT_ALWAYS_INLINE { sum[0][i] = V::add32(sum[0][i], sum[s + 1][i]); });
    });
  }

  /// The codes at once, while the sums are in registers: 28 stores of sums cost as much as 28 cycles of
  /// products. For one pair of vectors and pixels of one row.
  template <bool kResidual>
  ICEPOINT_INLINE void store_codes(const Scales<V, 2>& scales, const RowCodes<V>& to) const {
    const Reg lo = V::splat8(to.lo), hi = V::splat8(to.hi);
    const typename V::Scale a = scales.load(0), b = scales.load(1);
    const typename V::Part part(to.begin, to.end);
    uint8_t* y = to.y;
    unrolled<C / 2>([&](auto i) ICEPOINT_ALWAYS_INLINE {
      const Reg first = pixel<2 * i, kResidual>(a, b, to);
      const Reg codes = clamped(first, pixel<2 * i + 1, kResidual>(a, b, to), lo, hi);
      V::store_low(y, codes, part);
      V::store_high(y + to.y_pixel, codes, part);
      y += 2 * to.y_pixel;
    });
    if constexpr (C % 2 == 1) {
      const Reg last = pixel<C - 1, kResidual>(a, b, to);
      V::store_low(y, clamped(last, last, lo, hi), part);
    }
  }

  template <int i, bool kResidual>
  ICEPOINT_INLINE Reg pixel(const typename V::Scale& a, const typename V::Scale& b,
                            const RowCodes<V>& to) const {
    const Reg codes = V::pack16(V::requantize(sum[0][2 * i], a), V::requantize(sum[0][2 * i + 1], b));
    if constexpr (kResidual) return (*to.sum)(codes, to.residual + i * to.residual_pixel);
    return codes;
  }

  static ICEPOINT_INLINE Reg clamped(Reg first, Reg second, Reg lo, Reg hi) {
    return V::min8(V::max8(V::unmix(V::pack8(first, second)), lo), hi);
  }

  template <bool kResidual>
  static void call_codes(const Reduction& k, const uint8_t* x, const PairHead<V>* heads, const uint8_t* w,
                         const RowCodes<V>& to) {
    Accumulate a;
    a.reduce(k, &x, heads, w);
    unrolled<kSums>([&](auto i) ICEPOINT_ALWAYS_INLINE { a.sum[0][i] = V::rehoused(a.sum[0][i]); });
    a.template store_codes<kResidual>(heads->scales, to);
  }

  static void call(const Reduction& k, const uint8_t* const* x, const PairHead<V>* heads, const uint8_t* w,
                   int32_t* acc) {
    Accumulate a;
    a.reduce(k, x, heads, w);
    unrolled<kSums>([&](auto i) ICEPOINT_ALWAYS_INLINE { V::store(acc + i * L, a.sum[0][i]); });
  }
};

}  // namespace icepoint::wide
