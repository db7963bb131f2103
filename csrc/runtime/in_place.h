// Concatenations that need no work: their inputs are written where the result lies.
#pragma once

#include "graph/validate.h"
#include "runtime/fusions.h"

namespace icepoint {

/// Puts inputs of channel concatenations into the result's buffer, as Fusions::inside, channel and moved say,
/// where their bytes would move unchanged; a concatenation whose inputs all lie there has nothing to do.
///
/// An input lies in the last concatenation that reads it, and nobody may read it longer than the whole. An
/// earlier concatenation whose inputs are a run of a later one's, joined in the same way, lies there too, so
/// a chain of them (DenseNet) is one buffer. Values that come from or go to the caller, that are reshaped in
/// place or that a convolution reads with a halo keep buffers of their own.
void join_in_place(const Graph&, const Proof&, Fusions&);

}  // namespace icepoint
