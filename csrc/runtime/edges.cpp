// Between (n, c, h, w) outside and pixels of channels inside.
#include "runtime/edges.h"

#include "core/float_env.h"

namespace icepoint {
namespace {

/// f(stored byte's address, logical index) for the elements of rows begin..end.
template <class F>
void for_each_element(const Output& view, const Extent& e, int64_t begin, int64_t end, const F& f) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t image = row / e.h, y = row % e.h;
    for (int64_t c = 0; c < e.c; ++c) {
      const int64_t first = ((image * e.c + c) * e.h + y) * e.w;
      uint8_t* at = view.at(image, y, 0) + c;
      for (int64_t x = 0; x < e.w; ++x) f(at[x * view.pixel], first + x);
    }
  }
}

}  // namespace

Edge::Edge(const ValueInfo& value, const Place& place, const OutputFunction& function)
    : shape_(value.shape), q_(value.q), function_(function), place_(place), extent_(place.extent) {
  if (stored_as_logical(value.shape) && place.halo == Halo{}) extent_ = {1, extent_.numel(), 1};
}

Output Edge::view(uint8_t* arena, int64_t n) const {
  Output view = place_.in(arena, n);
  if (extent_.c == 1 && place_.halo == Halo{}) view.pixel = 1, view.row = extent_.w;
  return view;
}

void Edge::load(const uint8_t* x, uint8_t* arena, int64_t n, int64_t begin, int64_t end) const {
  for_each_element(view(arena, n), extent_, begin, end, [&](uint8_t& code, int64_t i) { code = x[i]; });
}

void Edge::load(const Kernels& kernels, const float* x, uint8_t* arena, int64_t n, int64_t begin,
                int64_t end) const {
  const FloatEnv env;
  kernels.load({.x = x,
                .y = view(arena, n),
                .h = extent_.h,
                .w = extent_.w,
                .c = extent_.c,
                .scale = q_.scale,
                .zero_point = q_.zero_point,
                .hi = q_.qmax(),
                .begin = begin,
                .end = end});
}

void Edge::store(uint8_t* arena, int64_t n, uint8_t* y, int64_t begin, int64_t end) const {
  for_each_element(view(arena, n), extent_, begin, end, [&](uint8_t code, int64_t i) { y[i] = code; });
}

void Edge::store(const Kernels& kernels, uint8_t* arena, int64_t n, float* y, int64_t begin,
                 int64_t end) const {
  if (has_function()) {
    const Output from = place_.in(arena, n);
    LaidCodes codes{from.data, from.image, {1, from.row, from.pixel}};
    if (shape_.size() < 3) codes.step = {0, from.pixel, 1};  // (t, f) lies as t pixels of f channels
    return apply(function_, q_, shape_, codes, begin, end, y);
  }
  const FloatEnv env;
  const Output from = view(arena, n);
  kernels.store({.x = {from.data, from.image, from.row, from.pixel},
                 .y = y,
                 .h = extent_.h,
                 .w = extent_.w,
                 .c = extent_.c,
                 .scale = q_.scale,
                 .zero_point = q_.zero_point,
                 .begin = begin,
                 .end = end});
}

}  // namespace icepoint
