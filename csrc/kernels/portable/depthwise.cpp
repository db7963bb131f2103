// Depthwise convolution: two taps of eight channels at a time.
//
// Packed is (c / 8, taps / 2, 8, 2): for a block of eight channels and two neighbouring taps, the
// two weights of each channel side by side; an odd tap and missing channels are zeros.
#include "kernels/portable/depthwise.h"

#include <algorithm>

#include "kernels/portable/matmul.h"

namespace icepoint::portable {

namespace {

constexpr int64_t kTaps = 64;  // of one pixel, looked up together; even

// Where a tap reads its channels: x itself, or eight zero points again and again.
struct Tap {
  const uint8_t* x;
  int64_t mask;  // -1, or 0 in the padding
};

// Taps first..first + n - 1 of the pixel, and one of padding behind an odd n.
void find_taps(const Conv2dArgs& a, int64_t pixel, int64_t first, int64_t n, const uint8_t* zero_points,
               Tap* taps) {
  const Conv2dGeometry& g = *a.g;
  const int64_t row = pixel / g.ow, kw = g.window.kernel[1];
  const uint8_t* image = a.x + row / g.oh * g.h * g.w * g.ic;
  const int64_t y0 = row % g.oh * g.window.stride[0] - g.window.padding[0];
  const int64_t x0 = pixel % g.ow * g.window.stride[1] - g.window.padding[1];
  int64_t ky = first / kw, kx = first % kw;
  for (int64_t t = 0; t < n; ++t) {
    const int64_t iy = y0 + ky * g.window.dilation[0], ix = x0 + kx * g.window.dilation[1];
    const bool inside = iy >= 0 && iy < g.h && ix >= 0 && ix < g.w;
    taps[t] = inside ? Tap{image + (iy * g.w + ix) * g.ic, -1} : Tap{zero_points, 0};
    if (++kx == kw) kx = 0, ++ky;
  }
  taps[n] = {zero_points, 0};
}

// Eight channels of a tap. The last block of a pixel may read into the next pixel (its lanes are
// not stored), but the last of an image stops where x ends.
I16x8 centred_channels(const Tap& tap, int64_t c, int64_t channels, const uint8_t* end, int32_t zero_point) {
  const uint8_t* x = tap.x + (c & tap.mask);
  if (tap.mask == 0 || end - x >= 8) [[likely]]
    return centred8(x, zero_point);
  uint8_t tail[8] = {};
  std::copy_n(x, channels - c, tail);
  return centred8(tail, zero_point);
}

// acc (8) += taps 0..n - 1 of channels c..c + 7 times w (taps / 2, 8, 2).
void accumulate_taps(const Tap* taps, int64_t n, int64_t c, int64_t channels, const uint8_t* end,
                     int32_t zero_point, const int16_t* w, uint32_t* acc) {
  U32x4 low = load<U32x4>(acc), high = load<U32x4>(acc + 4);
  for (int64_t t = 0; t < n; t += 2, w += 16) {
    const I16x8 one = centred_channels(taps[t], c, channels, end, zero_point);
    const I16x8 two = centred_channels(taps[t + 1], c, channels, end, zero_point);
    low += dot_pairs(zip_low(one, two), load<I16x8>(w));
    high += dot_pairs(zip_high(one, two), load<I16x8>(w + 8));
  }
  store_any(acc, low);
  store_any(acc + 4, high);
}

}  // namespace

size_t depthwise_packed_size(const Conv2dGeometry& g) {
  return sizeof(int16_t) * round_up(g.oc, 8) * round_up(g.window.kernel[0] * g.window.kernel[1], 2);
}

void depthwise_pack(const Conv2dGeometry& g, const int16_t* weight, int16_t* packed) {
  const int64_t taps = g.window.kernel[0] * g.window.kernel[1];
  for (int64_t block = 0; block < g.oc; block += 8)
    for (int64_t pair = 0; pair < taps; pair += 2)
      for (int64_t c = block; c < block + 8; ++c)
        for (int64_t tap = pair; tap < pair + 2; ++tap)
          *packed++ = c < g.oc && tap < taps ? weight[c * taps + tap] : int16_t{0};
}

void depthwise(const Conv2dArgs& a) {
  const Conv2dGeometry& g = *a.g;
  const int64_t taps = g.window.kernel[0] * g.window.kernel[1], image_bytes = g.h * g.w * g.ic;
  uint8_t zero_points[8];
  std::fill_n(zero_points, 8, static_cast<uint8_t>(a.x_zero_point));
  Tap found[kTaps + 1];
  alignas(64) uint32_t acc[kRows * kBlock];

  for (int64_t pixel = a.begin * g.ow; pixel < a.end * g.ow; pixel += kRows) {
    const int64_t pixels = std::min(kRows, a.end * g.ow - pixel);
    for (int64_t strip = 0; strip < g.oc; strip += kBlock) {
      const int64_t n = std::min(kBlock, g.oc - strip);
      for (int64_t p = 0; p < pixels; ++p) {
        uint32_t* sums = acc + p * kBlock;
        for (int64_t c = 0; c < round_up(n, 8); ++c)
          sums[c] = c < n ? static_cast<uint32_t>(a.bias[strip + c]) : 0;
        const uint8_t* end = a.x + ((pixel + p) / g.ow / g.oh + 1) * image_bytes;
        for (int64_t first = 0; first < taps; first += kTaps) {
          const int64_t some = std::min(kTaps, taps - first);
          find_taps(a, pixel + p, first, some, zero_points, found);
          // (c / 8, taps / 2, 8, 2)
          const int16_t* w = static_cast<const int16_t*>(a.weight) + strip * round_up(taps, 2) + first * 8;
          for (int64_t c = 0; c < n; c += 8, w += 8 * round_up(taps, 2))
            accumulate_taps(found, some, strip + c, g.ic, end, a.x_zero_point, w, sums + c);
        }
      }
      store_rows(a.requant, acc, pixels, strip, n, a.y, pixel * g.oc + strip, g.oc);
    }
  }
}

}  // namespace icepoint::portable
