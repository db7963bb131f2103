// How the operands of algorithms with transformed int16 lie: places, chunks and tiles.
#pragma once

#include <cstdint>

#include "kernels/wide/plan.h"

namespace icepoint::wide {

/// A chunk of transformed inputs u: 64 int16 of every tile, so that the tiles of a chunk lie a constant
/// distance apart.
inline constexpr int64_t kChunk16 = 64;

/// Where the transformed inputs u (places, chunks, tiles, 64) and the products m (places, tiles, 2 L) of some
/// tiles lie: from one place to the next an odd number of cache lines, or the places of a tile, which are
/// written and read together, would meet in few sets of a cache.
struct Places16 {
  int64_t tiles, u_step, m_step;  // steps in int16 and in int32

  constexpr Places16(int64_t count, int64_t steps, int64_t pair_channels)
      : tiles(count),
        u_step(32 * (divide_up(steps, kChunk16 / 2) * count * kChunk16 / 32 | 1)),
        m_step(16 * (divide_up(count * pair_channels, 16) | 1)) {}

  constexpr int64_t bytes(int64_t places) const { return places * (2 * u_step + 4 * m_step); }
};

}  // namespace icepoint::wide
