// The layer of one node: what the file stores becomes what layers.h asks for.
#pragma once

#include <algorithm>

#include "graph/validate.h"
#include "layers/layers.h"
#include "runtime/plan.h"

namespace icepoint {

/// Codes that a node may write: its own lo..hi, narrowed by the clamps fused into it.
struct CodeRange {
  int64_t lo = 0, hi = 255;
  bool operator==(const CodeRange&) const = default;

  /// clamp(clamp(q, lo, hi), then.lo, then.hi) as one clamp, also where the two do not meet.
  CodeRange followed_by(const CodeRange& then) const {
    return {std::clamp(lo, then.lo, then.hi), std::clamp(hi, then.lo, then.hi)};
  }
};

/// The node's own range; 0..255 for operators without one.
CodeRange range_of(const Op& op);

/// The range of every node with the clamps that the plan fused into it.
std::vector<CodeRange> fused_ranges(const Graph&, const Plan&);

/// Packs the weights of a proved node for `kernels`, with what the plan has fused into it; `ranges` are
/// those of fused_ranges.
LayerPtr make_layer(const Kernels& kernels, const Graph&, const Proof&, const Plan&,
                    const std::vector<CodeRange>& ranges, int64_t node);

}  // namespace icepoint
