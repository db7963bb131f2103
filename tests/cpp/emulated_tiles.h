// Tiles without AMX: the same six operations as plain loops, every rule of the instructions checked.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "kernels/amx/tile.h"

namespace icepoint {

/// A breach of a rule (an unconfigured tile, shapes that do not fit) ends the program, as #UD would.
struct EmulatedTiles {
  static void configure(const amx::TileConfig& config) {
    require(config.palette == 1 && config.start_row == 0);
    for (uint8_t byte : config.reserved) require(byte == 0);
    for (int tile = 0; tile < 16; ++tile) {
      require(tile < 8 ? config.rows[tile] <= 16 && config.bytes[tile] <= 64
                       : config.rows[tile] == 0 && config.bytes[tile] == 0);
      require((config.rows[tile] == 0) == (config.bytes[tile] == 0));
    }
    state().config = config;
    state().configured = true;
    std::memset(state().data, 0, sizeof(state().data));
  }

  static void release() {
    require(state().configured);
    state().configured = false;
  }

  static bool configured() { return state().configured; }

  template <int tile>
  static void zero() {
    require(usable(tile));
    std::memset(state().data[tile], 0, sizeof(state().data[tile]));
  }

  template <int tile>
  static void load(const void* p, int64_t stride) {
    zero<tile>();
    for (int row = 0; row < rows(tile); ++row)
      std::memcpy(state().data[tile][row], static_cast<const uint8_t*>(p) + row * stride, bytes(tile));
  }

  template <int tile>
  static void store(void* p, int64_t stride) {
    require(usable(tile));
    for (int row = 0; row < rows(tile); ++row)
      std::memcpy(static_cast<uint8_t*>(p) + row * stride, state().data[tile][row], bytes(tile));
  }

  template <int sums, int pixels, int weights>
  static void dot() {
    static_assert(sums != pixels && sums != weights && pixels != weights);
    require(usable(sums) && usable(pixels) && usable(weights));
    require(rows(sums) == rows(pixels) && bytes(sums) == bytes(weights));
    require(bytes(pixels) == 4 * rows(weights) && bytes(weights) % 4 == 0);
    const auto& x = state().data[pixels];
    const auto& w = state().data[weights];
    for (int m = 0; m < rows(sums); ++m) {
      uint32_t row[16];  // wraps, as the instruction's do
      std::memcpy(row, state().data[sums][m], sizeof(row));
      for (int k = 0; k < bytes(pixels); ++k)
        for (int n = 0; n < bytes(sums) / 4; ++n)
          row[n] += static_cast<uint32_t>(x[m][k] * static_cast<int8_t>(w[k / 4][4 * n + k % 4]));
      std::memcpy(state().data[sums][m], row, sizeof(row));
    }
  }

 private:
  struct State {
    amx::TileConfig config;
    bool configured = false;
    uint8_t data[8][16][64] = {};
  };

  static State& state() {
    static thread_local State state;
    return state;
  }

  static void require(bool holds) {
    if (!holds) std::abort();
  }
  static int rows(int tile) { return state().config.rows[tile]; }
  static int bytes(int tile) { return state().config.bytes[tile]; }
  static bool usable(int tile) { return state().configured && rows(tile) > 0; }
};

}  // namespace icepoint
