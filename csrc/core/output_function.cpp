// Output functions line by line: no memory of their own, every line the same whoever computes it.
#include "core/output_function.h"

#include <cmath>

#include "core/check.h"
#include "core/float_env.h"

namespace icepoint {
namespace {

using Kind = OutputFunction::Kind;

/// The shape with ones in front, so that every image has three axes.
std::array<int64_t, 3> three_axes(const Shape& shape) {
  std::array<int64_t, 3> dims{1, 1, 1};
  for (size_t i = 0; i < shape.size(); ++i) dims[3 - shape.size() + i] = shape[i];
  return dims;
}

bool has_axis(Kind kind) {
  return kind != Kind::none && kind != Kind::sigmoid;
}

/// Of the three: the function's own; the last, of neighbours, where every code is taken alone.
size_t axis_of(const OutputFunction& f, const Shape& shape) {
  return has_axis(f.kind) ? 3 - shape.size() + static_cast<size_t>(f.axis) : 2;
}

/// One line: `count` values from `first` on, `step` apart, the channels from `channel` on `channel_step`
/// apart.
struct Line {
  const LaidValues& values;
  int64_t first, count, step, channel, channel_step;

  double real(int64_t i) const {
    const int64_t at = first + i * step;
    switch (values.kind) {
      case LaidValues::Kind::accumulators:
        return static_cast<float>(static_cast<const int32_t*>(values.data)[at] *
                                  values.scales[channel + i * channel_step]);
      case LaidValues::Kind::reals:
        return static_cast<const float*>(values.data)[at];
      default:
        return static_cast<float>(static_cast<const uint8_t*>(values.data)[at] - values.q.zero_point) *
               values.q.scale;
    }
  }
  int64_t first_greatest() const {
    int64_t best = 0;
    double most = real(0);
    for (int64_t i = 1; i < count; ++i)
      if (const double r = real(i); r > most) best = i, most = r;
    return best;
  }
};

template <class T>
void softmax(const Line& line, bool log, T* y, int64_t step) {
  const int64_t first = line.first_greatest();
  const double most = line.real(first);
  // The greatest adds exactly 1. Apart from it the small ones keep their digits: where they are far
  // below, log(1 + rest) would be 0, and log1p is the rest.
  double rest = 0;
  for (int64_t i = 0; i < line.count; ++i)
    if (i != first) rest += std::exp(line.real(i) - most);
  const double sum = 1 + rest, log_sum = log ? std::log1p(rest) : 0;
  for (int64_t i = 0; i < line.count; ++i) {
    const double below = line.real(i) - most;
    y[i * step] = static_cast<T>(log ? below - log_sum : std::exp(below) / sum);
  }
}

}  // namespace

const char* name_of(Kind kind) {
  constexpr std::array names{"none", "softmax", "log_softmax", "sigmoid", "argmax"};
  return names[static_cast<size_t>(kind)];
}

void check_output_function(const OutputFunction& f, const Shape& shape, const std::string& who) {
  require_range(f.axis, 0, has_axis(f.kind) ? std::ssize(shape) - 1 : 0, who + ".axis");
  require(f.kind == Kind::argmax || !f.keepdim, who, ".keepdim: only argmax has one");
  const int64_t along = shape[static_cast<size_t>(f.axis)];
  require(f.kind != Kind::argmax || along <= kMaxArgmax, who, ".axis: argmax over ", along,
          " codes, at most ", kMaxArgmax, " have an index that float32 holds");
}

Shape shape_after(const OutputFunction& f, const Shape& shape) {
  Shape after = shape;
  if (f.kind != Kind::argmax) return after;
  const auto axis = after.begin() + f.axis;
  if (f.keepdim)
    *axis = 1;
  else
    after.erase(axis);
  return after;
}

LaidValues dense_reals(const float* reals, const Shape& shape) {
  const std::array<int64_t, 3> d = three_axes(shape);
  return {LaidValues::Kind::reals, reals, d[0] * d[1] * d[2], {d[1] * d[2], d[2], 1}};
}

int64_t lines_of(const OutputFunction& f, const Shape& shape) {
  const std::array<int64_t, 3> d = three_axes(shape);
  return d[0] * d[1] * d[2] / d[axis_of(f, shape)];
}

int64_t reals_of(const OutputFunction& f, const Shape& shape) {
  const std::array<int64_t, 3> d = three_axes(shape);
  return f.kind == Kind::argmax ? lines_of(f, shape) : d[0] * d[1] * d[2];
}

template <class T>
void apply(const OutputFunction& f, const Shape& shape, const LaidValues& values, int64_t begin, int64_t end,
           T* y) {
  const FloatEnv env;
  const std::array<int64_t, 3> d = three_axes(shape), dense = dense_reals(nullptr, shape).step;
  const size_t axis = axis_of(f, shape), a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;  // a, b: the others
  const size_t channels = shape.size() == 3 ? 0 : 2;
  const int64_t lines = d[a] * d[b], count = lines * d[axis];
  for (int64_t l = begin; l < end; ++l) {
    const int64_t image = l / lines;
    std::array<int64_t, 3> at{};  // the line's first value
    at[a] = l % lines / d[b], at[b] = l % d[b];
    const int64_t first =
        image * values.image + at[0] * values.step[0] + at[1] * values.step[1] + at[2] * values.step[2];
    const Line line{values, first, d[axis], values.step[axis], at[channels], axis == channels ? 1 : 0};
    T* const to = y + image * count + at[a] * dense[a] + at[b] * dense[b];
    switch (f.kind) {
      case Kind::none:
        for (int64_t k = 0; k < line.count; ++k) to[k] = static_cast<T>(line.real(k));
        break;
      case Kind::softmax:
      case Kind::log_softmax:
        softmax(line, f.kind == Kind::log_softmax, to, dense[axis]);
        break;
      case Kind::sigmoid:
        for (int64_t k = 0; k < line.count; ++k) to[k] = static_cast<T>(1 / (1 + std::exp(-line.real(k))));
        break;
      case Kind::argmax:
        y[l] = static_cast<T>(line.first_greatest());
        break;
    }
  }
}

template void apply<float>(const OutputFunction&, const Shape&, const LaidValues&, int64_t, int64_t, float*);
template void apply<double>(const OutputFunction&, const Shape&, const LaidValues&, int64_t, int64_t,
                            double*);

}  // namespace icepoint
