// The vector of the portable table: its lanes, and how bytes of x and of weights meet in them.
//
// The members are those of avx512vnni/vec.h. Bytes become int16 first, as in avx2/vec.h.
#pragma once

#include "kernels/portable/lanes.h"

namespace icepoint::portable {

struct Vec : Lanes {
  /// Four bytes of x in every lane, as int16: 0 and 2, 1 and 3.
  struct X {
    Reg even, odd;
  };
  static ICEPOINT_INLINE X splat_x(const uint8_t* x) {
    uint32_t four;
    std::memcpy(&four, x, sizeof(four));
    const Reg bytes = Reg{} + four;
    return {bytes & 0x00ff00ffu, (Reg)((U16)bytes >> 8)};
  }
  /// Four weights in every lane, paired alike.
  struct W {
    Reg even, odd;
  };
  static ICEPOINT_INLINE Reg dot(Reg acc, const X& x, const W& w) {
    return dot16(dot16(acc, x.even, w.even), x.odd, w.odd);
  }
  static ICEPOINT_INLINE void add_dot(Reg& acc, const X& x, const W& w) { acc = dot(acc, x, w); }
  static ICEPOINT_INLINE void add_dot16(Reg& acc, Reg a, Reg b) { acc = dot16(acc, a, b); }

  /// How weights lie in memory: `kBytes` hold `kSteps` times four weights for every lane; as int16.
  struct Bytes {
    static constexpr int kSteps = 1, kBytes = 32;
    ICEPOINT_INLINE explicit Bytes(const int8_t*) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      return {load(w), load(w + 16)};
    }
    static void put(uint8_t* w, int lane, int, const int16_t* four, int) {
      const int16_t even[2] = {four[0], four[2]}, odd[2] = {four[1], four[3]};
      std::memcpy(w + 4 * lane, even, sizeof(even));
      std::memcpy(w + 16 + 4 * lane, odd, sizeof(odd));
    }
  };
  /// The same weights as bytes, half the memory: for layers that wait for it.
  static constexpr bool kStreams = true;
  struct Streamed {
    static constexpr int kSteps = 1, kBytes = 16;
    ICEPOINT_INLINE explicit Streamed(const int8_t*) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      const Reg bytes = load(w);
      return {(Reg)((I16)shl16<8>(bytes) >> 8), (Reg)((I16)bytes >> 8)};
    }
    static void put(uint8_t* w, int lane, int, const int16_t* four, int) {
      for (int j = 0; j < 4; ++j) w[4 * lane + j] = static_cast<uint8_t>(four[j]);
    }
  };
  /// Two steps to a byte, each with the lane's offset added: 0..15.
  struct Nibbles {
    static constexpr int kSteps = 2, kBytes = 16;
    Reg offset;
    ICEPOINT_INLINE explicit Nibbles(const int8_t* offsets) : offset(load(offsets) & 0x00ff00ffu) {}
    template <int step>
    ICEPOINT_INLINE W widen(const uint8_t* w) const {
      const Reg both = load(w) >> (4 * step);  // what comes down from the next pair is masked away
      const U16 even = (U16)(both & 0x000f000fu), odd = (U16)(both >> 8 & 0x000f000fu);
      return {(Reg)(even - (U16)offset), (Reg)(odd - (U16)offset)};
    }
    static void put(uint8_t* w, int lane, int step, const int16_t* four, int offset) {
      for (int j = 0; j < 4; ++j) w[4 * lane + j] |= static_cast<uint8_t>((four[j] + offset) << (4 * step));
    }
  };
  /// int16 holds weights beyond a byte.
  static constexpr bool kTwoRounds = false;

  /// Pairs of vectors in a panel of output channels, and pixels that meet `pairs` of them in registers.
  /// 16 registers: 8 sums, two of x, the weights and a product.
  static constexpr int kPanelPairs = 2;
  static constexpr int max_pixels(int pairs) { return pairs == 2 ? 2 : 4; }
  /// Whether registers are enough to make codes from a block's sums without storing them.
  static constexpr bool kCodesInRegisters = false;
  /// Pixels between two turns of the epilogue; even.
  static constexpr int kBlock = 12;
};

}  // namespace icepoint::portable
