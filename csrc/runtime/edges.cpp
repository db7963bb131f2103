// Between (n, c, h, w) outside and pixels of channels inside.
#include "runtime/edges.h"

#include "core/float_env.h"

namespace icepoint {
namespace {

/// f(code's address, logical index) for the elements of rows begin..end.
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

/// f(a pixel's accumulators, logical index of the first, distance to the next) for the pixels of rows
/// begin..end. (t, f) lies in its logical order, (c, h, w) as (h, w, c).
template <class F>
void for_each_pixel(const Output& view, const Extent& e, size_t rank, int64_t begin, int64_t end,
                    const F& f) {
  const int64_t area = e.h * e.w, pixel = rank == 3 ? 1 : e.c, step = rank == 3 ? area : 1;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t image = row / e.h, y = row % e.h;
    for (int64_t x = 0; x < e.w; ++x)
      f(reinterpret_cast<const int32_t*>(view.at(image, y, x)), image * area * e.c + (y * e.w + x) * pixel,
        step);
  }
}

}  // namespace

Edge::Edge(const ValueInfo& value, const Place& place, const OutputFunction& function,
           std::shared_ptr<const Accumulators> accumulators)
    : shape_(value.shape),
      q_(value.q),
      function_(function),
      accumulators_(std::move(accumulators)),
      place_(place),
      extent_(place.extent) {
  // Accumulators keep their channels apart: each has a scale of its own.
  if (!accumulators_ && stored_as_logical(value.shape) && place.halo == Halo{})
    extent_ = {1, extent_.numel(), 1};
}

Output Edge::view(uint8_t* arena, int64_t n) const {
  Output view = place_.in(arena, n);
  if (!accumulators_ && extent_.c == 1 && place_.halo == Halo{}) view.pixel = 1, view.row = extent_.w;
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
  const Output from = view(arena, n);
  if (accumulators_)
    for_each_pixel(
        from, extent_, shape_.size(), begin, end,
        [&](const int32_t* acc, int64_t i, int64_t step) { accumulators_->codes(acc, y + i, step); });
  else
    for_each_element(from, extent_, begin, end, [&](uint8_t code, int64_t i) { y[i] = code; });
}

void Edge::store(const Kernels& kernels, uint8_t* arena, int64_t n, float* y, int64_t begin,
                 int64_t end) const {
  const FloatEnv env;
  const Output from = view(arena, n);
  if (accumulators_)
    return for_each_pixel(
        from, extent_, shape_.size(), begin, end,
        [&](const int32_t* acc, int64_t i, int64_t step) { accumulators_->reals(acc, y + i, step); });
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

void Edge::store_function(uint8_t* arena, int64_t n, float* y, int64_t begin, int64_t end) const {
  const Output from = place_.in(arena, n);
  LaidValues values{.data = from.data, .image = from.image, .step = {1, from.row, from.pixel}, .q = q_};
  if (shape_.size() < 3) values.step = {0, from.pixel, 1};  // (t, f) lies as t pixels of f channels
  if (accumulators_) {
    values.kind = LaidValues::Kind::accumulators, values.scales = accumulators_->scales();
    values.image /= 4;
    for (int64_t& step : values.step) step = step == 1 ? 1 : step / 4;
  }
  apply(function_, shape_, values, begin, end, y);
}

}  // namespace icepoint
