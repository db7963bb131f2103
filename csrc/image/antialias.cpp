// The taps and the two passes of antialias.h.
#include "image/antialias.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "core/float_env.h"

namespace icepoint {
namespace {

constexpr int kBits = 22;  // of a weight's fraction
constexpr int32_t kHalf = 1 << (kBits - 1);

double triangle(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}

double keys_cubic(double x) {
  x = std::abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/// For each target pixel: where its source pixels begin, and their weights.
struct Taps {
  struct Target {
    int64_t first, count;
    size_t weights;  // index of the first one
  };
  std::vector<Target> targets;
  std::vector<int32_t> weights;

  /// First and one past the last source pixel that any target needs.
  int64_t begin() const { return targets.front().first; }
  int64_t end() const { return targets.back().first + targets.back().count; }
};

Taps taps_of(const Axis& axis, Kernel kernel) {
  const FloatEnv env;
  const auto f = kernel == Kernel::bilinear ? triangle : keys_cubic;
  const double ratio = static_cast<double>(axis.source) / static_cast<double>(axis.full);
  const double q = std::max(ratio, 1.0), radius = (kernel == Kernel::bilinear ? 1.0 : 2.0) * q,
               step = 1.0 / q;
  Taps taps;
  std::vector<double> w;
  for (int64_t i = axis.begin; i < axis.begin + axis.count; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * ratio;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(centre - radius + 0.5), 0);
    const int64_t end = std::min(static_cast<int64_t>(centre + radius + 0.5), axis.source);
    taps.targets.push_back({first, end - first, taps.weights.size()});
    double sum = 0;
    w.clear();
    for (int64_t x = first; x < end; ++x) {
      w.push_back(f((static_cast<double>(x) - centre + 0.5) * step));
      sum += w.back();
    }
    for (const double v : w) {
      const double scaled = v / sum * (1 << kBits);
      taps.weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return taps;
}

/// Sums stay in int32: the absolute weights of a target add up to at most 1.3 * 2^22 (a cubic's overshoot;
/// image_antialias_test.cpp looks), and 255 * 1.3 * 2^22 + 2^21 < 2^31.
uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kBits, 0, 255));
}

/// Rows of 8-bit pixels inside a larger picture.
template <class Byte>
struct Rows {
  Byte* data;
  int64_t count, stride;
};

/// Along each row; `from` begins at source column `origin`. Taps go in blocks, with sums for each of a
/// block's samples, because that is what a compiler turns into vectors: `weights` holds each weight C times.
template <int C>
void across(Rows<const uint8_t> from, int64_t origin, const Taps& taps, Rows<uint8_t> to) {
  constexpr int kBlock = 4, kLanes = kBlock * C;
  std::vector<int32_t> weights;
  weights.reserve(taps.weights.size() * C);
  for (const int32_t w : taps.weights) weights.insert(weights.end(), C, w);
  for (int64_t row = 0; row < to.count; ++row) {
    uint8_t* y = to.data + row * to.stride;
    for (const Taps::Target& t : taps.targets) {
      const uint8_t* x = from.data + row * from.stride + (t.first - origin) * C;
      const int32_t* w = &weights[t.weights * C];
      int32_t sums[kLanes] = {};
      int64_t k = 0;
      for (; k + kBlock <= t.count; k += kBlock, x += kLanes, w += kLanes)
        for (int i = 0; i < kLanes; ++i) sums[i] += x[i] * w[i];
      for (int i = 0; i < (t.count - k) * C; ++i) sums[i] += x[i] * w[i];
      for (int c = 0; c < C; ++c)
        *y++ = rounded(kHalf + sums[c] + sums[C + c] + sums[2 * C + c] + sums[3 * C + c]);
    }
  }
}

/// Down the columns; `from` begins at source row `origin`.
void down(Rows<const uint8_t> from, int64_t origin, const Taps& taps, Rows<uint8_t> to, int64_t width) {
  std::vector<int32_t> sums(static_cast<size_t>(width));
  uint8_t* y = to.data;
  for (const Taps::Target& t : taps.targets) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int64_t k = 0; k < t.count; ++k) {
      const uint8_t* x = from.data + (t.first - origin + k) * from.stride;
      const int32_t w = taps.weights[t.weights + static_cast<size_t>(k)];
      for (int64_t i = 0; i < width; ++i) sums[static_cast<size_t>(i)] += x[i] * w;
    }
    for (int64_t i = 0; i < width; ++i) y[i] = rounded(sums[static_cast<size_t>(i)]);
    y += to.stride;
  }
}

template <int C>
class Passes {
 public:
  Passes(const Image& image, Image& y) : image_(image), y_(y) {}

  /// Target pixels of `rows` x `columns`, to (row, column) of y.
  void across_then_down(const Taps& rows, const Taps& columns, int64_t row, int64_t column) {
    const int64_t n = rows.end() - rows.begin(), width = std::ssize(columns.targets) * C;
    between_.resize(static_cast<size_t>(n * width));
    across<C>(source(rows.begin(), 0), 0, columns, {between_.data(), n, width});
    down({between_.data(), n, width}, rows.begin(), rows, target(row, column), width);
  }
  void down_then_across(const Taps& rows, const Taps& columns, int64_t row, int64_t column) {
    const int64_t n = std::ssize(rows.targets), width = (columns.end() - columns.begin()) * C;
    between_.resize(static_cast<size_t>(n * width));
    down(source(rows.begin(), columns.begin()), rows.begin(), rows, {between_.data(), n, width}, width);
    Rows<uint8_t> to = target(row, column);
    to.count = n;
    across<C>({between_.data(), n, width}, columns.begin(), columns, to);
  }

 private:
  Rows<const uint8_t> source(int64_t row, int64_t column) const {
    const int64_t stride = image_.width * C;
    return {image_.data.data() + row * stride + column * C, image_.height - row, stride};
  }
  Rows<uint8_t> target(int64_t row, int64_t column) {
    const int64_t stride = y_.width * C;
    return {y_.data.data() + row * stride + column * C, y_.height - row, stride};
  }

  const Image& image_;
  Image& y_;
  std::vector<uint8_t> between_;
};

/// Pixels between the passes, at most: a picture of 65535 rows for a wide model goes in strips.
constexpr int64_t kMaxBetween = int64_t{1} << 24;

template <int C>
void resize(const Image& image, const Axis& rows, const Axis& columns, Kernel kernel, Image& y) {
  Passes<C> passes(image, y);
  const bool down_first =
      rows.source > rows.full && rows.source - rows.full > 2 * (columns.source - columns.full);
  const Axis& strips = down_first ? rows : columns;
  const Taps whole = taps_of(down_first ? columns : rows, kernel);
  const int64_t most = std::max<int64_t>(kMaxBetween / (whole.end() - whole.begin()), 1);
  for (int64_t done = 0; done < strips.count; done += most) {
    Axis strip = strips;
    strip.begin += done;
    strip.count = std::min(most, strips.count - done);
    const Taps part = taps_of(strip, kernel);
    if (down_first)
      passes.down_then_across(part, whole, done, 0);
    else
      passes.across_then_down(whole, part, 0, done);
  }
}

}  // namespace

Image resize_antialiased(const Image& image, const Axis& rows, const Axis& columns, Kernel kernel) {
  assert(image.channels == 1 || image.channels == 3);
  assert(rows.source == image.height && columns.source == image.width);
  Image y{rows.count, columns.count, image.channels, {}};
  y.data.resize(static_cast<size_t>(y.height * y.width * y.channels));
  image.channels == 1 ? resize<1>(image, rows, columns, kernel, y)
                      : resize<3>(image, rows, columns, kernel, y);
  return y;
}

}  // namespace icepoint
