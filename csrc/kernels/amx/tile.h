// Tiles of AMX: eight registers of up to 16 rows of 64 bytes, and the product of bytes between them.
//
// Own asm with "memory" clobbers: GCC 12's tile intrinsics name no memory that they read (the load of a
// configuration names 8 of its 64 bytes), so a store may be moved behind the tile load that needs it.
// The assembler knows the instructions whatever the compiler's target is, and no compiler touches a tile
// register by itself. Registers are template arguments because the instruction's encoding holds them.
#pragma once

#include <cstdint>

#include "kernels/target.h"

namespace icepoint::amx {

/// What LDTILECFG reads.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {};  // of a row
  uint8_t rows[16] = {};
};

/// Sums are tiles 0 to 3, pixels (rows, 64 bytes of k) begin at 4, weights (16 words of k, 16 channels,
/// 4 bytes) at `first_weights`.
inline TileConfig tile_config(int rows, int first_weights) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.bytes[tile] = 64;
    config.rows[tile] = static_cast<uint8_t>(tile < first_weights ? rows : 16);
  }
  return config;
}

#if defined(__x86_64__)

struct Tiles {
  /// Zeroes all tiles too; 180 to 350 cycles, so once a call.
  static ICEPOINT_INLINE void configure(const TileConfig& config) {
    asm volatile("ldtilecfg %0" : : "m"(config) : "memory");
  }

  /// Back to the state in which a thread switch saves no tiles, and which other libraries expect.
  static ICEPOINT_INLINE void release() { asm volatile("tilerelease" : : : "memory"); }

  template <int tile>
  static ICEPOINT_INLINE void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(tile));
  }

  /// Row i of the tile from p + i * stride.
  template <int tile>
  static ICEPOINT_INLINE void load(const void* p, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(tile) : "memory");
  }

  template <int tile>
  static ICEPOINT_INLINE void store(void* p, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(tile) : "memory");
  }

  /// sums[m][n] += the four products of bytes pixels[m][4k..] (unsigned) and weights[k][4n..] (signed), over
  /// k.
  template <int sums, int pixels, int weights>
  static ICEPOINT_INLINE void dot() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(pixels), "i"(weights));
  }
};

#endif

}  // namespace icepoint::amx
