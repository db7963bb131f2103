// Packed form of a convolution of narrow groups: as many inputs as outputs, 1 (depthwise), 2 or 4 to a group.
//
// The outputs of one pixel are cut into blocks of a vector's bytes; a block of few channels serves 2 or 4
// pixels at once, a piece of the vector each. Its sums are 4 vectors ("quarters"). Every lane of a sum
// belongs to one output, and a step of the reduction adds the products of four bytes to it: four taps of
// one input (unit 1), two taps of two inputs (unit 2), or one tap of four inputs (unit 4), just as
// interleaving bytes or words of four or two taps lays them side by side. Included inside a target region.
#pragma once

namespace icepoint::wide {

/// Where a tap lies: its bytes behind a window's first pixel are rows * View.row + bytes.
struct TapPlace {
  int64_t rows, bytes;
};

/// What all blocks share. Behind it: the TapPlaces of every step, then the blocks.
struct alignas(64) NarrowHeader {
  int64_t steps;  // a multiple of what a byte of weights holds (V::Nibbles: 2)
  int64_t blocks, block_bytes, blocks_at;
  int32_t rounds;  // sets of weights that add up: 2 where the upper eight bits of weights precede the lowest
  bool columns;    // steps go down the columns of a 3x3 window, and Narrow3x3 can run it
  bool nibbles, prescale, has_requant, has_residual, max_pool;
  int32_t zero_point, lo, hi;  // Requant's
  Residual residual;

  ICEPOINT_INLINE const TapPlace* places() const { return reinterpret_cast<const TapPlace*>(this + 1); }
};

/// Channels first .. first + count. Behind it: the weights, (set, step, quarter).
template <class V>
struct alignas(64) NarrowBlock {
  static constexpr int L = V::kLanes;
  Scales<V, 4> scales;
  uint32_t bias[4 * L];
  int8_t offset[16 * L];  // of i4 weights, for each of a lane's four
  int32_t first, count, pieces;

  const uint8_t* weights() const { return reinterpret_cast<const uint8_t*>(this + 1); }
};

template <class V, int unit>
class NarrowLayout {
 public:
  using Block = NarrowBlock<V>;
  static constexpr int L = V::kLanes, kBytes = 4 * L;  // channels of a whole block

  /// The channel, counted from the block's first, whose sum quarter `a` holds in `lane`; before pieces.
  static constexpr int channel_of(int a, int lane) {
    const int four = lane % 4;
    return 16 * (lane / 4) + (unit == 1   ? 4 * a + four
                              : unit == 2 ? 8 * (a / 2) + 2 * four + a % 2
                                          : 4 * four + a);
  }

  explicit NarrowLayout(const Conv2dSpec& spec) : spec_(spec) {
    const auto [kh, kw] = spec.g.window.kernel;
    header_.nibbles = spec.kind == WeightKind::i4;
    header_.rounds = spec.kind == WeightKind::i16 && V::kTwoRounds ? 2 : 1;
    header_.columns = kh == 3 && kw == 3;
    header_.steps = header_.columns ? 3 * kTerms : (kh * kw * unit + 3) / 4;
    const int64_t whole = header_.nibbles ? V::Nibbles::kSteps : 1;
    header_.steps = (header_.steps + whole - 1) / whole * whole;
    sets_ = header_.rounds == 1 && header_.columns && unit != 4 ? 2 : header_.rounds;
    header_.blocks = (spec.g.oc + kBytes - 1) / kBytes;
    const int64_t step_bytes = header_.nibbles ? V::Nibbles::kBytes / V::Nibbles::kSteps : V::Bytes::kBytes;
    header_.block_bytes = sizeof(Block) + round64(sets_ * header_.steps * 4 * step_bytes);
    header_.blocks_at = sizeof(NarrowHeader) + round64(header_.steps * kTaps * sizeof(TapPlace));
  }

  /// One row of the centred weights has room behind the blocks while they are packed.
  size_t bytes() const {
    return header_.blocks_at + header_.blocks * header_.block_bytes +
           round64(taps() * unit * sizeof(int16_t));
  }

  void pack(void* packed) {
    const Conv2dSpec& s = spec_;
    auto* to = static_cast<uint8_t*>(packed);
    std::memset(to, 0, bytes());
    header_.max_pool = s.max_pool;
    header_.has_requant = s.requant != nullptr;
    if (s.requant != nullptr) {
      header_.zero_point = s.requant->zero_point, header_.lo = s.requant->lo, header_.hi = s.requant->hi;
      for (int64_t c = 0; c < s.g.oc; ++c) header_.prescale |= s.requant->shift[c] < kLeastShift;
    }
    header_.has_residual = s.residual != nullptr;
    header_.residual.shift = 1;  // a shift that Sum can be made of, though nothing is added
    if (header_.has_residual) header_.residual = *s.residual;
    std::memcpy(to, &header_, sizeof(header_));

    auto* place = reinterpret_cast<TapPlace*>(to + sizeof(NarrowHeader));
    for (int64_t slot = 0; slot < header_.steps * kTaps; ++slot) {
      const int64_t tap = std::max<int64_t>(tap_at(slot, false), 0), kw = s.g.window.kernel[1];
      place[slot].rows = tap / kw * s.g.window.dilation[0];
      place[slot].bytes = tap % kw * s.g.window.dilation[1] * s.x_pixel;
    }
    auto* row = reinterpret_cast<int16_t*>(to + header_.blocks_at + header_.blocks * header_.block_bytes);
    for (int64_t b = 0; b < header_.blocks; ++b)
      pack_block(b * kBytes, *reinterpret_cast<Block*>(to + header_.blocks_at + b * header_.block_bytes),
                 row);
  }

 private:
  static constexpr int kTaps = 4 / unit;               // of a step
  static constexpr int kTerms = unit == 4 ? 3 : unit;  // steps of a column
  static int64_t round64(int64_t n) { return (n + 63) / 64 * 64; }
  int64_t taps() const { return spec_.g.window.kernel[0] * spec_.g.window.kernel[1]; }

  /// The tap that takes place `slot` of the steps, or -1: its weights are 0. `lower`: of the window that
  /// begins one row below the columns.
  int64_t tap_at(int64_t slot, bool lower) const {
    if (!header_.columns) return slot < taps() ? slot : -1;
    const int64_t kx = slot / (kTerms * kTaps), ky = slot % (kTerms * kTaps) - (lower ? 1 : 0);
    return kx < 3 && ky >= 0 && ky < 3 ? ky * 3 + kx : -1;
  }

  void pack_block(int64_t first, Block& block, int16_t* row) const {
    block.first = static_cast<int32_t>(first);
    block.count = static_cast<int32_t>(std::min<int64_t>(kBytes, spec_.g.oc - first));
    block.pieces = 1;
    while (2 * block.pieces <= V::kMostPieces && 2 * block.pieces * block.count <= kBytes) block.pieces *= 2;
    // Channel by channel, for a row is read once; then wherever the pieces hold it.
    for (int c = 0; c < block.count; ++c) {
      spec_.weight->read(first + c, row);
      for (int a = 0; a < 4; ++a)
        for (int lane = 0; lane < L; ++lane)
          if (channel_of(a, lane) % (kBytes / block.pieces) == c) pack_lane(block, c, a, lane, row);
    }
    // Lanes without a channel requantize as the first one does: no shift is out of range.
    for (int a = 0; a < 4; ++a)
      for (int lane = 0; lane < L; ++lane)
        if (spec_.requant != nullptr && channel_of(a, lane) % (kBytes / block.pieces) >= block.count)
          block.scales.set(a, lane, *spec_.requant, first);
  }

  void pack_lane(Block& block, int c, int a, int lane, const int16_t* row) const {
    const int64_t oc = block.first + c;
    uint32_t sum = 0;
    for (int64_t i = 0; i < taps() * unit; ++i) sum += static_cast<uint32_t>(row[i]);
    block.bias[a * L + lane] =
        static_cast<uint32_t>(spec_.bias[oc]) - static_cast<uint32_t>(spec_.x_zero_point) * sum;
    if (spec_.requant != nullptr) block.scales.set(a, lane, *spec_.requant, oc);
    const int offset = header_.nibbles ? spec_.offset[oc] : 0;
    std::memset(block.offset + 4 * (a * L + lane), offset, 4);

    auto* weights = reinterpret_cast<uint8_t*>(&block + 1);
    for (int64_t set = 0; set < sets_; ++set)
      for (int64_t step = 0; step < header_.steps; ++step) {
        int16_t four[4];
        for (int j = 0; j < 4; ++j) four[j] = weight_at(row, step * kTaps + j / unit, j % unit, set);
        const int64_t at = set * header_.steps + step;
        if (header_.nibbles) {
          using Form = typename V::Nibbles;
          Form::put(weights + (at / Form::kSteps * 4 + a) * Form::kBytes, lane,
                    static_cast<int>(at % Form::kSteps), four, offset);
        } else {
          V::Bytes::put(weights + (at * 4 + a) * V::Bytes::kBytes, lane, 0, four, 0);
        }
      }
  }

  int16_t weight_at(const int16_t* row, int64_t slot, int input, int64_t set) const {
    const int64_t tap = tap_at(slot, header_.rounds == 1 && set == 1);
    if (tap < 0) return 0;
    const int16_t w = row[tap * unit + input];
    // w = 2 (w >> 1) + (w & 1)
    return header_.rounds == 1 ? w : static_cast<int16_t>(set == 0 ? w >> 1 : w & 1);
  }

  const Conv2dSpec& spec_;
  NarrowHeader header_{};
  int64_t sets_;  // of weights: the rounds, or the upper and the lower windows' of the columns
};

}  // namespace icepoint::wide
