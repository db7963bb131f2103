// qconcat prepared: inputs side by side along one axis, each through a table where its qparams differ.
#include <algorithm>
#include <cassert>
#include <cstring>
#include <iterator>

#include "core/requantize.h"
#include "layers/layers.h"

namespace icepoint {

namespace {

class QConcatLayer final : public Layer {
 public:
  struct Part {
    Extent x;
    int64_t first;               // of the axis, in y
    std::vector<uint8_t> table;  // empty: the bytes move unchanged
    bool moved = false;          // they lie in y already
  };

  QConcatLayer(const Kernels& kernels, std::vector<Part> parts, int axis, int64_t h)
      : kernels_(kernels), parts_(std::move(parts)), axis_(axis), h_(h) {}

  int64_t units(int64_t n) const override { return n * h_; }

  // A unit is one row of y.
  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t image = unit / h_, row = unit % h_;
      if (axis_ == 0) {
        const size_t i = part_of(row);
        move_row(i, xs[i], image, row - parts_[i].first, y.at(image, row, 0), y.pixel);
        continue;
      }
      for (size_t i = 0; i < parts_.size(); ++i)
        if (!parts_[i].moved)
          move_row(i, xs[i], image, row,
                   y.at(image, row, axis_ == 1 ? parts_[i].first : 0) + (axis_ == 2 ? parts_[i].first : 0),
                   y.pixel);
    }
  }

  int64_t bytes() const override {
    int64_t sum = 0;
    for (const Part& part : parts_) sum += static_cast<int64_t>(part.table.size());
    return sum;
  }

 private:
  // Of 10^5 inputs, too, the one that holds the row is found without looking at all of them.
  size_t part_of(int64_t row) const {
    const auto behind = std::upper_bound(parts_.begin(), parts_.end(), row,
                                         [](int64_t r, const Part& part) { return r < part.first; });
    return static_cast<size_t>(std::prev(behind) - parts_.begin());
  }

  void move_row(size_t i, const View& x, int64_t image, int64_t row, uint8_t* to, int64_t pitch) const {
    const Part& part = parts_[i];
    const uint8_t* from = x.at(image, row, 0);
    if (!part.table.empty()) {
      kernels_.lookup({.x = {from, 0, 0, x.pixel},
                       .y = {to, 0, 0, pitch},
                       .h = 1,
                       .w = part.x.w,
                       .c = part.x.c,
                       .table = part.table.data(),
                       .per_channel = false,
                       .begin = 0,
                       .end = 1});
    } else if (x.pixel == part.x.c && pitch == part.x.c) {
      std::memcpy(to, from, part.x.w * part.x.c);
    } else {
      for (int64_t p = 0; p < part.x.w; ++p) std::memcpy(to + p * pitch, from + p * x.pixel, part.x.c);
    }
  }

  const Kernels& kernels_;
  std::vector<Part> parts_;
  int axis_;
  int64_t h_;
};

}  // namespace

LayerPtr make_qconcat(const Kernels& kernels, std::span<const Extent> xs, int axis,
                      std::span<const int32_t> zero_points, std::span<const int32_t> multiplier,
                      std::span<const int32_t> shift, const std::vector<bool>& identity, OutputRange out,
                      const std::vector<bool>& moved) {
  assert(!xs.empty() && axis >= 0 && axis <= 2 && identity.size() == xs.size());
  assert(moved.empty() || (axis == 2 && moved.size() == xs.size()));
  std::vector<QConcatLayer::Part> parts;
  int64_t first = 0;
  for (size_t i = 0; i < xs.size(); ++i) {
    QConcatLayer::Part part{.x = xs[i], .first = first, .table = {}, .moved = !moved.empty() && moved[i]};
    if (!identity[i]) {
      part.table.resize(256);
      for (int32_t code = 0; code < 256; ++code)
        part.table[code] = static_cast<uint8_t>(
            requantize_clamp(code - zero_points[i], multiplier[i], shift[i], out.zero_point, out.lo, out.hi));
    }
    first += axis == 0 ? xs[i].h : axis == 1 ? xs[i].w : xs[i].c;
    parts.push_back(std::move(part));
  }
  return std::make_unique<QConcatLayer>(kernels, std::move(parts), axis, axis == 0 ? first : xs[0].h);
}

}  // namespace icepoint
