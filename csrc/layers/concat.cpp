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
    int64_t first, h, run;  // first row in y, rows, and the bytes that lie together between two other inputs'
    std::vector<uint8_t> table;  // empty: the bytes move unchanged
  };

  // Storage is (outer, runs side by side): a unit is one outer step of y.
  QConcatLayer(const Kernels& kernels, std::vector<Part> parts, int64_t h, int64_t steps, bool stacked)
      : kernels_(kernels), parts_(std::move(parts)), h_(h), steps_(steps), stacked_(stacked) {
    for (const Part& part : parts_) y_run_ += part.run;
  }

  int64_t units(int64_t n) const override { return n * h_; }

  void run(const uint8_t* const* xs, void* y, int64_t, int64_t begin, int64_t end) const override {
    for (int64_t unit = begin; unit < end; ++unit) {
      if (stacked_)
        stacked_row(xs, static_cast<uint8_t*>(y), unit);
      else
        side_by_side(xs, static_cast<uint8_t*>(y), unit);
    }
  }

  int64_t bytes() const override {
    int64_t sum = 0;
    for (const Part& part : parts_) sum += static_cast<int64_t>(part.table.size());
    return sum;
  }

 private:
  // Axis 0: row `unit` of y is one row of one input.
  void stacked_row(const uint8_t* const* xs, uint8_t* y, int64_t unit) const {
    const int64_t image = unit / h_, row = unit % h_;
    // Of 10^5 inputs, too, the one that holds the row is found without looking at all of them.
    const auto behind = std::upper_bound(parts_.begin(), parts_.end(), row,
                                         [](int64_t r, const Part& part) { return r < part.first; });
    const Part& part = *std::prev(behind);
    const uint8_t* x = xs[&part - parts_.data()];
    move(part, x + (image * part.h + row - part.first) * part.run, y + unit * part.run);
  }

  // Axes 1 and 2: row `unit` of y is steps_ times one run of each input.
  void side_by_side(const uint8_t* const* xs, uint8_t* y, int64_t unit) const {
    for (int64_t step = unit * steps_; step < (unit + 1) * steps_; ++step) {
      uint8_t* to = y + step * y_run_;
      for (size_t i = 0; i < parts_.size(); to += parts_[i].run, ++i)
        move(parts_[i], xs[i] + step * parts_[i].run, to);
    }
  }

  void move(const Part& part, const uint8_t* x, uint8_t* y) const {
    if (part.table.empty())
      std::memcpy(y, x, part.run);
    else
      kernels_.lookup({.x = x,
                       .y = y,
                       .table = part.table.data(),
                       .per_channel = false,
                       .c = part.run,
                       .begin = 0,
                       .end = 1});
  }

  const Kernels& kernels_;
  std::vector<Part> parts_;
  int64_t h_, steps_, y_run_ = 0;
  bool stacked_;
};

}  // namespace

LayerPtr make_qconcat(const Kernels& kernels, std::span<const Extent> xs, int axis,
                      std::span<const int32_t> zero_points, std::span<const int32_t> multiplier,
                      std::span<const int32_t> shift, const std::vector<bool>& identity, OutputRange out) {
  assert(!xs.empty() && axis >= 0 && axis <= 2 && identity.size() == xs.size());
  std::vector<QConcatLayer::Part> parts;
  int64_t h = 0;
  for (size_t i = 0; i < xs.size(); ++i) {
    QConcatLayer::Part part{
        .first = h, .h = xs[i].h, .run = axis == 2 ? xs[i].c : xs[i].w * xs[i].c, .table = {}};
    if (!identity[i]) {
      part.table.resize(256);
      for (int32_t code = 0; code < 256; ++code)
        part.table[code] = static_cast<uint8_t>(
            requantize_clamp(code - zero_points[i], multiplier[i], shift[i], out.zero_point, out.lo, out.hi));
    }
    h = axis == 0 ? h + part.h : part.h;
    parts.push_back(std::move(part));
  }
  const int64_t steps = axis == 2 ? xs[0].w : 1;
  return std::make_unique<QConcatLayer>(kernels, std::move(parts), h, steps, axis == 0);
}

}  // namespace icepoint
