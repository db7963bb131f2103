// Convolution of narrow groups, eight output channels at a time.
//
// Packed is (oc / 8, steps, 8, 2): a step is one 16-bit dot product of pairs for each of eight output
// channels. Where a group has one input channel, a pair is two neighbouring taps; where it has more, two
// neighbouring channels of one tap. An odd last tap and missing channels are zeros.
#include "kernels/portable/grouped.h"

#include <algorithm>

#include "kernels/portable/matmul.h"

namespace icepoint::portable {

namespace {

constexpr int64_t kTaps = 64;  // of one pixel, looked up together; even

// One input channel a group, each the lane of kRepeat output channels.
template <int kRepeat>
struct PerChannel {
  static constexpr int64_t kInputs = 8 / kRepeat;  // channels that eight outputs read

  static int64_t steps(int64_t taps) { return (taps + 1) / 2; }

  static int16_t weight(const int16_t* w, int64_t taps, int64_t oc, int64_t step, int64_t half) {
    const int64_t tap = 2 * step + half;
    return tap < taps ? w[oc * taps + tap] : int16_t{0};
  }

  // `read(t)` gives the channels of a tap, t < n; the one behind an odd n may be read too.
  template <class Read>
  static void accumulate(int64_t n, const Read& read, const int16_t* w, U32x4& low, U32x4& high) {
    for (int64_t t = 0; t < n; t += 2, w += 16) {
      I16x8 one = read(t), two = read(t + 1);
      if constexpr (kRepeat == 2) one = zip_low(one, one), two = zip_low(two, two);
      low += dot_pairs(zip_low(one, two), load<I16x8>(w));
      high += dot_pairs(zip_high(one, two), load<I16x8>(w + 8));
    }
  }
};

// Groups of kWidth input and kWidth output channels: lane o reads all pairs of its group, one a step.
template <int kWidth>
struct Square {
  static constexpr int64_t kInputs = 8;
  static constexpr int64_t kPairs = kWidth / 2;

  static int64_t steps(int64_t taps) { return taps * kPairs; }

  static int16_t weight(const int16_t* w, int64_t taps, int64_t oc, int64_t step, int64_t half) {
    return w[(oc * taps + step / kPairs) * kWidth + step % kPairs * 2 + half];
  }

  // Pair `pair` of the group that each of the lanes first..first + 3 belongs to.
  template <int first, int pair>
  static I16x8 pairs_of_lanes(U32x4 x) {
    constexpr auto at = [](int lane) { return lane / kWidth * static_cast<int>(kPairs) + pair; };
    return (I16x8)__builtin_shufflevector(x, x, at(first), at(first + 1), at(first + 2), at(first + 3));
  }

  template <int pair = 0>
  static void accumulate_tap(U32x4 x, const int16_t* w, U32x4& low, U32x4& high) {
    low += dot_pairs(pairs_of_lanes<0, pair>(x), load<I16x8>(w));
    high += dot_pairs(pairs_of_lanes<4, pair>(x), load<I16x8>(w + 8));
    if constexpr (pair + 1 < kPairs) accumulate_tap<pair + 1>(x, w + 16, low, high);
  }

  template <class Read>
  static void accumulate(int64_t n, const Read& read, const int16_t* w, U32x4& low, U32x4& high) {
    for (int64_t t = 0; t < n; ++t, w += 16 * kPairs) accumulate_tap((U32x4)read(t), w, low, high);
  }
};

// Where the taps first..first + n - 1 of a pixel read the channels from `channel` on; `padding` for those
// outside the image, and for one more behind them. Returns how many bytes every tap may read before the image
// ends, or fewer.
int64_t find_taps(const Conv2dArgs& a, int64_t pixel, int64_t first, int64_t n, int64_t channel,
                  const uint8_t* padding, const uint8_t** taps) {
  const Conv2dGeometry& g = *a.g;
  const auto [kh, kw] = g.window.kernel;
  const auto [dy, dx] = g.window.dilation;
  const int64_t row = pixel / g.ow;
  const uint8_t* image = a.x + row / g.oh * g.h * g.w * g.ic + channel;
  const int64_t y0 = row % g.oh * g.window.stride[0] - g.window.padding[0];
  const int64_t x0 = pixel % g.ow * g.window.stride[1] - g.window.padding[1];
  const bool inside = y0 >= 0 && y0 + (kh - 1) * dy < g.h && x0 >= 0 && x0 + (kw - 1) * dx < g.w;
  int64_t ky = first / kw, kx = first % kw;
  for (int64_t t = 0; t < n; ++t) {
    const int64_t iy = y0 + ky * dy, ix = x0 + kx * dx;
    const bool read = inside || (iy >= 0 && iy < g.h && ix >= 0 && ix < g.w);
    taps[t] = read ? image + (iy * g.w + ix) * g.ic : padding;
    if (++kx == kw) kx = 0, ++ky;
  }
  taps[n] = padding;
  const int64_t last_y = std::min(y0 + (kh - 1) * dy, g.h - 1),
                last_x = std::min(x0 + (kw - 1) * dx, g.w - 1);
  return ((g.h - last_y) * g.w - last_x) * g.ic - channel;
}

// acc (8) += taps 0..n - 1, each read from channel c on; `bytes` of them may be read.
template <class Groups>
void accumulate_taps(const uint8_t* const* taps, int64_t n, int64_t c, int64_t bytes, int32_t zero_point,
                     const int16_t* w, uint32_t* acc) {
  U32x4 low = load<U32x4>(acc), high = load<U32x4>(acc + 4);
  const auto copied = [&](int64_t t, int64_t length) {
    uint8_t x[8] = {};
    std::memcpy(x, taps[t] + c, static_cast<size_t>(length));
    return centred8(x, zero_point);
  };
  if (bytes < Groups::kInputs)
    Groups::accumulate(
        n, [&](int64_t t) { return copied(t, bytes); }, w, low, high);
  else if constexpr (Groups::kInputs < 8)
    Groups::accumulate(
        n, [&](int64_t t) { return copied(t, Groups::kInputs); }, w, low, high);
  else
    Groups::accumulate(
        n, [&](int64_t t) { return centred8(taps[t] + c, zero_point); }, w, low, high);
  store_any(acc, low);
  store_any(acc + 4, high);
}

template <class Groups>
void run(const Conv2dArgs& a) {
  const Conv2dGeometry& g = *a.g;
  const int64_t taps = g.window.kernel[0] * g.window.kernel[1], steps = Groups::steps(taps);
  uint8_t padding[kBlock + 8];
  std::fill_n(padding, sizeof(padding), static_cast<uint8_t>(a.x_zero_point));
  const uint8_t* found[kTaps + 1];
  alignas(64) uint32_t acc[kRows * kBlock];

  for (int64_t pixel = a.begin * g.ow; pixel < a.end * g.ow; pixel += kRows) {
    const int64_t pixels = std::min(kRows, a.end * g.ow - pixel);
    for (int64_t strip = 0; strip < g.oc; strip += kBlock) {
      const int64_t n = std::min(kBlock, g.oc - strip), first_ic = strip / 8 * Groups::kInputs;
      alignas(64) uint32_t bias[kBlock];
      std::fill_n(std::copy_n(a.bias + strip, n, bias), round_up(n, 8) - n, 0);
      for (int64_t p = 0; p < pixels; ++p) {
        uint32_t* sums = acc + p * kBlock;
        for (int64_t c = 0; c < round_up(n, 8); c += 4) store_any(sums + c, load<U32x4>(bias + c));
        for (int64_t first = 0; first < taps; first += kTaps) {
          const int64_t some = std::min(kTaps, taps - first);
          const int64_t left = find_taps(a, pixel + p, first, some, first_ic, padding, found);
          // (oc / 8, steps, 8, 2)
          const int16_t* w =
              static_cast<const int16_t*>(a.weight) + (strip / 8 * steps + Groups::steps(first)) * 16;
          for (int64_t c = 0; c < n; c += 8, w += 16 * steps) {
            // The last channels of a pixel are read with some of the next pixel, whose lanes have zero
            // weights or are not stored. Not so where the image ends.
            const int64_t ic = c / 8 * Groups::kInputs;
            const int64_t bytes = left - ic >= 8 ? 8 : g.ic - first_ic - ic;
            accumulate_taps<Groups>(found, some, ic, bytes, a.x_zero_point, w, sums + c);
          }
        }
      }
      store_rows(a.requant, acc, kBlock, pixels, strip, n, a.y, pixel * g.oc + strip, g.oc);
    }
  }
}

// f(Groups{}) for the groups of g.
template <class F>
auto with_groups(const Conv2dGeometry& g, const F& f) {
  if (g.ic == g.groups) return g.oc == g.ic ? f(PerChannel<1>{}) : f(PerChannel<2>{});
  switch (g.ic / g.groups) {
    case 2:
      return f(Square<2>{});
    case 4:
      return f(Square<4>{});
    default:
      return f(Square<8>{});
  }
}

}  // namespace

size_t grouped_packed_size(const Conv2dGeometry& g) {
  const int64_t taps = g.window.kernel[0] * g.window.kernel[1];
  const int64_t steps = with_groups(g, [&](auto groups) { return groups.steps(taps); });
  return sizeof(int16_t) * round_up(g.oc, 8) * steps * 2;
}

void grouped_pack(const Conv2dGeometry& g, const int16_t* weight, int16_t* packed) {
  const int64_t taps = g.window.kernel[0] * g.window.kernel[1];
  with_groups(g, [&](auto groups) {
    for (int64_t block = 0; block < g.oc; block += 8)
      for (int64_t step = 0; step < groups.steps(taps); ++step)
        for (int64_t oc = block; oc < block + 8; ++oc)
          for (int64_t half = 0; half < 2; ++half)
            *packed++ = oc < g.oc ? groups.weight(weight, taps, oc, step, half) : int16_t{0};
  });
}

void grouped(const Conv2dArgs& a) {
  with_groups(*a.g, [&](auto groups) { run<decltype(groups)>(a); });
}

}  // namespace icepoint::portable
