// The proof that a graph is sound: shapes, qparams, ranges, and no accumulator that overflows.
#pragma once

#include <vector>

#include "core/overflow.h"
#include "graph/graph.h"

namespace icepoint {

/// What is known of every value once a graph has been proved.
struct ValueInfo {
  Shape shape;  // logical, without the batch
  QParams q;
};

/// One line of the overflow proof: the worst channel of a node that accumulates.
struct NodeProof {
  int64_t node = 0;
  Bounds bounds;  // over all channels, with the bias
  bool operator==(const NodeProof&) const = default;
};

struct Proof {
  std::vector<ValueInfo> values;  // value_count() of them
  std::vector<NodeProof> overflow;
};

// Caps, checked before anything is allocated.
inline constexpr int64_t kMaxNodes = 100'000;
inline constexpr int64_t kMaxInputs = 64;
inline constexpr int64_t kMaxValueBytes = int64_t{1} << 28;   // one value of one image
inline constexpr int64_t kMaxTaps = int64_t{1} << 23;         // of a pool
inline constexpr int64_t kMaxPoolWindows = int64_t{1} << 26;  // of all pools of one image
inline constexpr int64_t kMaxDivisors = int64_t{1} << 16;     // of a pool
// Rows, columns and channels that all pools and moves of a graph look up, and bytes of all its outputs: a
// file of a few bytes could otherwise ask for tables and arrays without end.
inline constexpr int64_t kMaxPositions = int64_t{1} << 24;
inline constexpr int64_t kMaxOutputBytes = int64_t{1} << 30;  // of one image

/// Checks every rule of docs/numerics.md and docs/format.md that a graph can break and infers the
/// shapes. Throws std::invalid_argument that names the place: "ops[12].stride: 0 is not in 1..65535".
Proof validate(const Graph&);

/// Weights of a conv or linear node as int8 codes and zero points, ready for layers: packed ones
/// are widened, affine codes and zero points are both moved by -128. `shape` is the operator's own
/// weight shape ((oc, ic / groups, kh, kw), ...); the first dimension counts the packed rows.
struct WidenedWeights {
  std::vector<int8_t> codes;
  std::vector<int32_t> zero_point;  // (1) or (oc)
};
WidenedWeights widen(const Weights&, const Shape& shape);

/// Packs codes of 2..7 bits as the file stores them: rows of `row` codes, each padded to a byte.
std::vector<uint8_t> pack_codes(const std::vector<int32_t>& codes, int64_t row, int bits);

}  // namespace icepoint
