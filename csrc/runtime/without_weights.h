// What a running model still needs of its file: all but the weights, which are packed by then.
#pragma once

#include "format/file.h"

namespace icepoint {

/// A copy that shares no memory with `file`: weight tensors and self-check inputs are absent, the small
/// tensors (bias, multipliers, tables) are there.
ModelFile without_weights(const ModelFile& file);

}  // namespace icepoint
