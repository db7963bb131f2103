// Where each value of a graph lies while it runs, and which operators run as one.
#pragma once

#include <vector>

#include "graph/validate.h"
#include "layers/layer.h"

namespace icepoint {

/// Storage of a value: (c, h, w) lies as (h, w, c); (t, f) and (f) as they are.
Extent extent_of(const Shape& shape);

/// True where the order in storage is the logical order too: rank <= 2, one pixel or one channel.
bool stored_as_logical(const Shape& shape);

/// A value in the arena of a batch: image i begins at offset * n + i * image, its first pixel `origin` later.
struct Place {
  int64_t offset = 0;  // of the value's buffer for a batch of one
  int64_t origin = 0, image = 0, row = 0, pixel = 0;
  Extent extent;
  Halo halo;

  uint8_t* buffer(uint8_t* arena, int64_t n) const { return arena + offset * n; }
  Output in(uint8_t* arena, int64_t n) const { return {buffer(arena, n) + origin, image, row, pixel}; }
};

struct Plan {
  std::vector<Place> places;      // one a value
  std::vector<int64_t> root;      // the value whose buffer this value shares
  std::vector<Extent> flattened;  // of a value whose bytes still lie as the map of this extent; else empty
  std::vector<int64_t> host;   // the node that does a node's work: itself, another one, or -1: nothing to do
  std::vector<int64_t> guest;  // of a convolution: the qadd or qmax_pool2d in its epilogue, or -1
  std::vector<int64_t> narrows;          // of a fused clamp: the node whose range it narrows, or -1
  std::vector<std::vector<bool>> moved;  // of a concatenation: the inputs that lie in the result, or empty
  std::vector<bool> accumulators;        // of a value: it lies as int32 accumulators, four bytes an element
  int64_t arena_bytes = 0;               // peak activation memory of one image

  bool runs(int64_t node) const { return host[node] == node; }
};

inline constexpr int64_t kMaxArenaBytes = int64_t{1} << 30;

/// Values whose lifetimes do not overlap share bytes; greedy by size. Throws std::invalid_argument
/// where one image needs more than kMaxArenaBytes.
///
/// Fused where it is an identity: a clamp into the requantization before it; a residual add and a 2x2 max
/// pool into the epilogue of a convolution that nothing else reads; a flatten into the order of the weights
/// behind it. Inputs of a concatenation of channels whose bytes would only move are written where the result
/// lies, unless the buffers that wait for their parts would take a quarter more memory. With `keep_all` every
/// value stays visible and as it is. `accumulators`: one a value or none; such a value is an output that no
/// node reads.
Plan make_plan(const Graph&, const Proof&, bool keep_all = false, std::vector<bool> accumulators = {});

}  // namespace icepoint
