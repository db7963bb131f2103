// One input file of `run` as samples that the model takes.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "replay/session.h"

namespace icepoint {

/// n samples in logical order: codes where they came from pixels, else float32 values.
struct Samples {
  int64_t n = 0;
  std::vector<uint8_t> codes;
  Tensor values;
};

/// Reads a PNG, JPEG, .npy, .pt or IDX file. Pictures and uint8 arrays are pixels and go through the
/// recipe, resize included: .npy and IDX as (h, w), (h, w, c), (n, h, w) or (n, h, w, c), .pt in torch's
/// order (h, w), (c, h, w), (n, h, w) or (n, c, h, w); grey and RGB become what the recipe asks for. float32
/// arrays are ready inputs, of the model's input shape with or without a batch before it. Throws
/// std::invalid_argument, opened by `path`.
Samples read_samples(const std::string& path, const Session&);

/// Codes (n, c, h, w) of uint8 pixels whose shape is one of the above.
Samples pixel_samples(const Tensor& pixels, bool channels_first, const Session&);

/// Runs samples begin..begin + n and writes the codes (n, ...) of output 0 and its reals before any function;
/// other outputs are dropped.
void run_samples(const Session&, const Samples&, int64_t begin, int64_t n, uint8_t* codes, float* reals);

}  // namespace icepoint
