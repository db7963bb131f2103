// A tensor that torch.save wrote, read by LibTorch.
#pragma once

#include "graph/graph.h"
#include "replay/files.h"

namespace icepoint {

/// The float32 or uint8 tensor of a .pt file, dense in C order; views, transposed tensors and
/// Parameters are fine. Throws std::invalid_argument for anything else: another dtype, a state_dict,
/// a list, a file of torch before 1.6, a damaged or a hostile file. Nothing in the file is executed.
Tensor parse_pt(const Bytes& file);

}  // namespace icepoint
