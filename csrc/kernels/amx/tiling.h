// Which pixels the rows of a tile are: a line of pixels that lie equally far apart, cut into tiles.
//
// A line is an output row. Where the halo makes the last pixel of one row and the first of the next as far
// apart as neighbours times some count, all rows of an image are one line and `pitch` pixels begin each;
// the pixels behind ow are computed and never stored. The last tile of a line is moved back to end with
// the line: nothing behind the value is read, and the pixels that it repeats are not stored again.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"

namespace icepoint::amx {

inline constexpr int64_t kTileRows = 16;

inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

struct Tiling {
  int64_t pitch = 0;  // pixels from row to row of a line; 0: each row is a line
  int64_t rows = 0;   // pixels of a tile; even before a max_pool
};

/// One tile's pixels. Those before `first` are the previous tile's.
struct Tile {
  const uint8_t* x;       // window of the first pixel
  int64_t image, oy, ox;  // output coordinates of the first pixel
  int64_t first;
};

/// Image rows of a call, one line after the other, every line's tiles in order. Before a max_pool a tile
/// of row 2i is followed by that of row 2i + 1 over the same columns.
class TileCursor {
 public:
  TileCursor(const Conv2dArgs& a, bool pool, const Tiling& tiling)
      : args_(&a), tiling_(tiling), pool_(pool), row_(a.begin), width_(pool ? a.g->ow / 2 * 2 : a.g->ow) {
    rows_of_image_ = pool ? a.g->oh / 2 : a.g->oh;
    begin_line();
  }

  bool next(Tile& tile) {
    if (row_ >= args_->end) return false;
    const Conv2dGeometry& g = *args_->g;
    const int64_t start = std::min(position_, length_ - tiling_.rows);
    tile.image = row_ / rows_of_image_;
    tile.oy = row_ % rows_of_image_ * (pool_ ? 2 : 1) + (second_ ? 1 : 0);
    tile.x = args_->x.at(tile.image, tile.oy * g.window.stride[0] - g.window.padding[0],
                         start * g.window.stride[1] - g.window.padding[1]);
    tile.first = position_ - start;
    if (tiling_.pitch > 0) tile.oy += start / tiling_.pitch;
    tile.ox = tiling_.pitch > 0 ? start % tiling_.pitch : start;
    if (pool_) second_ = !second_;
    if (!second_) position_ += tiling_.rows;
    if (position_ >= length_) {
      row_ += line_rows();
      begin_line();
    }
    return true;
  }

 private:
  int64_t line_rows() const {
    return tiling_.pitch == 0 ? 1 : std::min(args_->end, (row_ / rows_of_image_ + 1) * rows_of_image_) - row_;
  }
  void begin_line() {
    position_ = 0;
    length_ = (line_rows() - 1) * tiling_.pitch + width_;
  }

  const Conv2dArgs* args_;
  Tiling tiling_;
  bool pool_, second_ = false;
  int64_t row_, width_, rows_of_image_, length_ = 0, position_ = 0;
};

/// The cheaper of one line a row and one line an image. A product of r rows takes about r cycles, and its
/// part of the tile loads about 8 more.
inline Tiling choose_tiling(const Conv2dArgs& a, bool pool) {
  const Conv2dGeometry& g = *a.g;
  const auto price = [](int64_t tiles, int64_t rows) { return tiles * (rows + 8); };
  const auto even_share = [](int64_t pixels) { return ceil_div(pixels, ceil_div(pixels, kTileRows)); };

  const int64_t width = pool ? g.ow / 2 * 2 : g.ow;
  Tiling by_row{0, even_share(width)};
  if (pool) by_row.rows += by_row.rows % 2;

  const int64_t row_step = g.window.stride[0] * a.x.row, pixel_step = g.window.stride[1] * a.x.pixel;
  if (pool || row_step % pixel_step != 0 || row_step / pixel_step < g.ow) return by_row;
  const int64_t head = std::min(a.end, (a.begin / g.oh + 1) * g.oh) - a.begin;  // rows of the first image
  const int64_t whole = (a.end - a.begin - head) / g.oh, tail = (a.end - a.begin - head) % g.oh;
  Tiling by_image{row_step / pixel_step, kTileRows};
  const auto length = [&](int64_t rows) { return rows == 0 ? 0 : (rows - 1) * by_image.pitch + g.ow; };
  const int64_t longest = length(whole > 0 ? g.oh : std::max(head, tail));
  by_image.rows = std::min({even_share(longest), length(head), tail > 0 ? length(tail) : longest});
  const auto tiles = [&](int64_t rows) { return ceil_div(length(rows), by_image.rows); };

  const int64_t row_price = (a.end - a.begin) * price(ceil_div(width, by_row.rows), by_row.rows);
  const int64_t image_price = price(tiles(head) + whole * tiles(g.oh) + tiles(tail), by_image.rows);
  return image_price < row_price ? by_image : by_row;
}

}  // namespace icepoint::amx
