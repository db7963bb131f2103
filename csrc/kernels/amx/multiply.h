// Sums of a block of M tiles of pixels by N tiles of channels, in registers 0 .. M N - 1.
//
// Every register is filled again right behind its last use, so that loads (8 to 10 cycles from L1, 21 to 25
// from L2) run beside the products (16 cycles). `between` is called after each step of 64 k, until it
// returns false: the place for work that needs no tiles. Included inside a target region.
#pragma once

namespace icepoint::amx {

inline constexpr int64_t kStep = 64;             // bytes of k in a tile of pixels
inline constexpr int64_t kPanelStep = 2 * 1024;  // bytes of weights for a step: 16 words of k, 32 channels
inline constexpr int64_t kWeightPitch = 2 * 64;  // from one word of k to the next

/// Offsets from a pixel's window to each step of its k: (kernel row, tap of the row, 64 bytes of the tap).
class Walk {
 public:
  struct Axis {
    int64_t count, pitch;
  };
  Walk(Axis rows, Axis taps, int64_t chunks)
      : row_pitch_(rows.pitch), taps_(taps), chunks_(chunks), left_(chunks), taps_left_(taps.count) {}

  int64_t offset() const { return offset_; }

  void advance() {
    offset_ += kStep;
    if (--left_ > 0) return;
    left_ = chunks_;
    tap_ += taps_.pitch;
    if (--taps_left_ == 0) taps_left_ = taps_.count, row_ += row_pitch_, tap_ = row_;
    offset_ = tap_;
  }

 private:
  int64_t row_pitch_;
  Axis taps_;
  int64_t chunks_, left_, taps_left_, row_ = 0, tap_ = 0, offset_ = 0;
};

/// The pixels of a block: where each tile's window begins, and the bytes between two pixels of a tile.
struct Pixels {
  const uint8_t* tile[4];
  int64_t pitch;
};

/// Tiles of pixels begin at register 4; weights follow them. A tall block has 3 of the one and 1 of the
/// other, a square one has 2 and 2.
constexpr int first_weights(bool tall) {
  return tall ? 7 : 6;
}

template <class Tiles, bool tall, int M>
struct Block {
  static constexpr int N = tall ? 1 : 2;
  static_assert(M * N <= 4);

  /// Sums begin from their channel's bias: a row of it, loaded into every row.
  static void start(const uint32_t* bias) {
    start_one<0>(bias);
    if constexpr (M * N > 1) start_one<1>(bias);
    if constexpr (M * N > 2) start_one<2>(bias);
    if constexpr (M * N > 3) start_one<3>(bias);
  }

  /// Adds `steps` steps and returns the walk behind them. By value: what lies in memory is read again behind
  /// every asm.
  template <class Between>
  static Walk add(Pixels x, Walk walk, const uint8_t* w, int64_t steps, const Between& between) {
    begin(x, walk.offset(), w);
    bool busy = true;
    for (int64_t left = steps - 1; left > 0; --left) {
      const int64_t offset = walk.offset();
      walk.advance();
      w += kPanelStep;
      one<true>(x, offset, walk.offset(), w);
      if (busy) busy = between();
    }
    one<false>(x, walk.offset(), 0, w);
    walk.advance();
    if (busy) between();
    return walk;
  }

  /// Sum (pixel p, channel c) to to[32 p + c], tiles of pixels 16 apart.
  static void store(int32_t* to) {
    store_one<0>(to);
    if constexpr (M * N > 1) store_one<1>(to);
    if constexpr (M * N > 2) store_one<2>(to);
    if constexpr (M * N > 3) store_one<3>(to);
  }

 private:
  template <int tile>
  static void start_one(const uint32_t* bias) {
    Tiles::template load<tile>(bias + tile % N * 16, 0);
  }
  template <int tile>
  static void store_one(int32_t* to) {
    Tiles::template store<tile>(to + tile / N * 16 * 32 + tile % N * 16, 32 * sizeof(int32_t));
  }

  static constexpr int kW = first_weights(tall), kPixels = kW - 4;

  template <int m>
  static void pixels(const Pixels& x, int64_t offset) {
    if constexpr (m < M) Tiles::template load<4 + m % kPixels>(x.tile[m] + offset, x.pitch);
  }
  template <int n>
  static void weights(const uint8_t* w) {
    if constexpr (n < N) Tiles::template load<kW + n>(w + 64 * n, kWeightPitch);
  }
  template <int m, int n>
  static void dot() {
    if constexpr (m < M && n < N) Tiles::template dot<m * N + n, 4 + m % kPixels, kW + n>();
  }

  static void begin(const Pixels& x, int64_t offset, const uint8_t* w) {
    pixels<0>(x, offset);
    weights<0>(w);
    weights<1>(w);
    if constexpr (tall) {
      pixels<1>(x, offset);
      pixels<2>(x, offset);
    }
  }

  // The products of one step, and the loads that the next one begins with.
  template <bool more>
  static void one(const Pixels& x, int64_t offset, int64_t next, const uint8_t* next_w) {
    if constexpr (tall) {
      dot<0, 0>();
      pixels<3>(x, offset);
      if constexpr (M < 4 && more) pixels<0>(x, next);
      dot<1, 0>();
      if constexpr (more) pixels<1>(x, next);
      dot<2, 0>();
      if constexpr (more) pixels<2>(x, next);
      dot<3, 0>();
      if constexpr (more) weights<0>(next_w);
      if constexpr (M == 4 && more) pixels<0>(x, next);
    } else {
      pixels<1>(x, offset);
      dot<0, 0>();
      dot<0, 1>();
      if constexpr (more) pixels<0>(x, next);
      dot<1, 0>();
      if constexpr (more) weights<0>(next_w);
      dot<1, 1>();
      if constexpr (more) weights<1>(next_w);
    }
  }
};

}  // namespace icepoint::amx
