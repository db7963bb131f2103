// What became of the registration of torch.ops.icepoint.*, asked by the Python module. No torch here.
#pragma once

#include <string>

namespace icepoint::ops {

/// Empty where the operators are registered; else why not (another copy of this library holds them).
const std::string& registration_error();

}  // namespace icepoint::ops
