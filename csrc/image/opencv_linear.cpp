// The taps and the two passes of opencv_linear.h.
#include "image/opencv_linear.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "core/float_env.h"

namespace icepoint {
namespace {

/// Two source pixels and their weights, each in 0..2048 with a sum of 2048 or, where both round, 2047..2049.
struct Taps {
  int64_t first, second;
  int32_t w0, w1;
};

std::vector<Taps> taps_of(const Axis& axis, bool clamp_weights) {
  constexpr float kOne = 2048;
  const FloatEnv env;
  const double scale = 1.0 / (static_cast<double>(axis.full) / static_cast<double>(axis.source));
  const int64_t last = axis.source - 1;
  std::vector<Taps> taps(static_cast<size_t>(axis.count));
  for (int64_t i = 0; i < axis.count; ++i) {
    float f = static_cast<float>((static_cast<double>(axis.begin + i) + 0.5) * scale - 0.5);
    const int64_t s = static_cast<int64_t>(std::floor(f));
    f -= static_cast<float>(s);
    if (clamp_weights && (s < 0 || s >= last)) f = 0;
    taps[static_cast<size_t>(i)] = {std::clamp<int64_t>(s, 0, last), std::clamp<int64_t>(s + 1, 0, last),
                                    static_cast<int32_t>(std::nearbyint((1 - f) * kOne)),
                                    static_cast<int32_t>(std::nearbyint(f * kOne))};
  }
  return taps;
}

/// One source row along the columns: t >> 4, at most 255 * 2049 >> 4 = 32655, so that int16 holds it.
template <int C>
void stretch_row(const uint8_t* row, const std::vector<Taps>& columns, int16_t* to) {
  for (const Taps& t : columns)
    for (int c = 0; c < C; ++c)
      *to++ = static_cast<int16_t>((row[t.first * C + c] * t.w0 + row[t.second * C + c] * t.w1) >> 4);
}

Image halve(const Image& image, const Axis& rows, const Axis& columns) {
  const int64_t c = image.channels, stride = image.width * c;
  Image y{rows.count, columns.count, c, {}};
  y.data.resize(static_cast<size_t>(y.height * y.width * c));
  uint8_t* to = y.data.data();
  for (int64_t i = 0; i < y.height; ++i)
    for (int64_t j = 0; j < y.width; ++j) {
      const uint8_t* from =
          &image.data[static_cast<size_t>(2 * ((rows.begin + i) * stride + (columns.begin + j) * c))];
      for (int64_t k = 0; k < c; ++k, ++from)
        *to++ = static_cast<uint8_t>((from[0] + from[c] + from[stride] + from[stride + c] + 2) >> 2);
    }
  return y;
}

}  // namespace

Image resize_opencv_linear(const Image& image, const Axis& rows, const Axis& columns) {
  assert(image.channels == 1 || image.channels == 3);
  assert(rows.source == image.height && columns.source == image.width);
  if (rows.source == 2 * rows.full && columns.source == 2 * columns.full) return halve(image, rows, columns);

  const std::vector<Taps> across = taps_of(columns, true), down = taps_of(rows, false);
  const int64_t c = image.channels, stride = image.width * c;
  const size_t width = static_cast<size_t>(columns.count * c);
  Image y{rows.count, columns.count, c, {}};
  y.data.resize(down.size() * width);
  // The two source rows of a target row, stretched; most target rows find one of them or both here.
  std::array<std::vector<int16_t>, 2> stretched{std::vector<int16_t>(width), std::vector<int16_t>(width)};
  std::array<int64_t, 2> held{-1, -1};
  const auto load = [&](int slot, int64_t row) {
    if (held[slot] == row) return;
    held[slot] = row;
    const uint8_t* from = image.data.data() + row * stride;
    c == 1 ? stretch_row<1>(from, across, stretched[slot].data())
           : stretch_row<3>(from, across, stretched[slot].data());
  };
  uint8_t* to = y.data.data();
  for (const Taps& t : down) {
    if (held[1] == t.first) {
      std::swap(stretched[0], stretched[1]);
      std::swap(held[0], held[1]);
    }
    load(0, t.first);
    load(1, t.second);
    const int16_t *a = stretched[0].data(), *b = stretched[1].data();
    for (size_t i = 0; i < width; ++i)
      *to++ = static_cast<uint8_t>((((t.w0 * a[i]) >> 16) + ((t.w1 * b[i]) >> 16) + 2) >> 2);
  }
  return y;
}

}  // namespace icepoint
