// Byte moves by index maps: slice, permute of channels, pad, nearest up-sampling.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "core/float_env.h"
#include "layers/layers.h"

namespace icepoint {

namespace {

// `count` neighbours to..to+count-1 of y that come from from..from+count-1 of x, or are filled (-1).
struct Run {
  int32_t to, from, count;
};

std::vector<Run> runs_of(const std::vector<int32_t>& map) {
  std::vector<Run> runs;
  for (int32_t i = 0; i < static_cast<int32_t>(map.size()); ++i) {
    const bool goes_on = !runs.empty() && (map[i] < 0 ? runs.back().from < 0
                                                      : runs.back().from >= 0 && map[i] == map[i - 1] + 1);
    if (goes_on)
      ++runs.back().count;
    else
      runs.push_back({i, std::max(map[i], -1), 1});
  }
  return runs;
}

class MoveLayer final : public Layer {
 public:
  MoveLayer(Extent x, MoveMaps maps, uint8_t value)
      : x_(x),
        y_{static_cast<int64_t>(maps.rows.size()), static_cast<int64_t>(maps.cols.size()),
           static_cast<int64_t>(maps.channels.size())},
        rows_(std::move(maps.rows)),
        cols_(runs_of(maps.cols)),
        channels_(runs_of(maps.channels)),
        value_(value) {
    // All channels in order: whole pixels move, and neighbouring ones together.
    whole_pixels_ = y_.c == x_.c && channels_.size() == 1 && channels_[0].from == 0;
  }

  int64_t units(int64_t n) const override { return n * y_.h; }

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t image = unit / y_.h;
      uint8_t* to = y.at(image, unit % y_.h, 0);
      const int32_t row = rows_[unit % y_.h];
      if (row < 0)
        fill(to, y_.w, y.pixel);
      else
        move_row(xs[0].at(image, row, 0), xs[0].pixel, to, y.pixel);
    }
  }

  int64_t bytes() const override {
    return static_cast<int64_t>(4 * rows_.size() + sizeof(Run) * (cols_.size() + channels_.size()));
  }

 private:
  void fill(uint8_t* y, int64_t pixels, int64_t pitch) const {
    if (pitch == y_.c)
      std::memset(y, value_, pixels * y_.c);
    else
      for (int64_t i = 0; i < pixels; ++i) std::memset(y + i * pitch, value_, y_.c);
  }

  void move_row(const uint8_t* x, int64_t x_pitch, uint8_t* y, int64_t y_pitch) const {
    for (const Run& run : cols_) {
      const uint8_t* from = x + run.from * x_pitch;
      uint8_t* to = y + run.to * y_pitch;
      if (run.from < 0)
        fill(to, run.count, y_pitch);
      else if (whole_pixels_ && x_pitch == x_.c && y_pitch == y_.c)
        std::memcpy(to, from, run.count * x_.c);
      else
        for (int64_t i = 0; i < run.count; ++i) move_pixel(from + i * x_pitch, to + i * y_pitch);
    }
  }

  void move_pixel(const uint8_t* x, uint8_t* y) const {
    for (const Run& run : channels_) {
      if (run.from < 0)
        std::memset(y + run.to, value_, run.count);
      else if (run.count == 1)  // a shuffle is all ones: no call for a byte
        y[run.to] = x[run.from];
      else
        std::memcpy(y + run.to, x + run.from, run.count);
    }
  }

  Extent x_, y_;
  std::vector<int32_t> rows_;
  std::vector<Run> cols_, channels_;
  uint8_t value_;
  bool whole_pixels_;
};

}  // namespace

LayerPtr make_move(Extent x, MoveMaps maps, uint8_t value) {
  return std::make_unique<MoveLayer>(x, std::move(maps), value);
}

std::vector<int32_t> slice_map(int64_t start, int64_t count, int64_t step) {
  std::vector<int32_t> map(count);
  for (int64_t i = 0; i < count; ++i) map[i] = static_cast<int32_t>(start + i * step);
  return map;
}

std::vector<int32_t> pad_map(int64_t in, int64_t before, int64_t after, PadMode mode) {
  assert(mode != PadMode::reflect || std::max(before, after) < in);
  std::vector<int32_t> map(before + in + after);
  for (int64_t i = 0; i < static_cast<int64_t>(map.size()); ++i) {
    int64_t from = i - before;
    const bool inside = from >= 0 && from < in;
    if (mode == PadMode::constant && !inside) from = -1;
    if (mode == PadMode::replicate) from = std::clamp<int64_t>(from, 0, in - 1);
    if (mode == PadMode::reflect) from = from < 0 ? -from : from >= in ? 2 * (in - 1) - from : from;
    map[i] = static_cast<int32_t>(from);
  }
  return map;
}

std::vector<int32_t> nearest_map(int64_t in, int64_t out) {
  FloatEnv env;
  std::vector<int32_t> map(out);
  const float ratio = static_cast<float>(in) / static_cast<float>(out);
  for (int64_t i = 0; i < out; ++i) {
    const int64_t from = static_cast<int64_t>(std::floor(static_cast<float>(i) * ratio));
    map[i] = static_cast<int32_t>(std::min(from, in - 1));
  }
  return map;
}

}  // namespace icepoint
