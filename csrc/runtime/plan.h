// Where each value of a graph lies while it runs: storage extents, lifetimes, the arena.
#pragma once

#include <vector>

#include "graph/validate.h"
#include "layers/layer.h"

namespace icepoint {

/// Storage of a value: (c, h, w) lies as (h, w, c); (t, f) and (f) as they are.
Extent extent_of(const Shape& shape);

/// True where the order in storage is the logical order too: rank <= 2, one pixel or one channel.
bool stored_as_logical(const Shape& shape);

struct Slot {
  int64_t offset = 0;  // bytes from the arena's start for a batch of one; scaled by the batch
  int64_t bytes = 0;   // of one image
};

struct Plan {
  std::vector<Slot> slots;    // one a value
  std::vector<int64_t> root;  // value whose slot this value shares (fused clamp, reshape in place)
  std::vector<bool> skipped;  // nodes whose work another node does
  int64_t arena_bytes = 0;    // peak activation memory of one image
};

inline constexpr int64_t kMaxArenaBytes = int64_t{1} << 30;

/// Values whose lifetimes do not overlap share bytes; greedy by size. Throws std::invalid_argument
/// where one image needs more than kMaxArenaBytes. Fuses a clamp into the requantization before it
/// where nothing else reads the unclamped value, unless `keep_all` (every value stays visible).
Plan make_plan(const Graph&, const Proof&, bool keep_all = false);

}  // namespace icepoint
