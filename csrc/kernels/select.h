// Which table of kernels runs: chosen once by what the CPU has, or forced by name.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace icepoint {

/// Tables that this build has and this CPU can run, plainest first: {"reference", "portable", ...}. All give
/// the same bytes; they differ in speed alone.
std::vector<std::string> isas();

/// The table in use: the one that ICEPOINT_ISA names, else the last of isas(). Throws
/// std::invalid_argument where the variable names a table that this build or CPU lacks.
const Kernels& kernels();

/// The table of that name: kernels("portable"). Throws std::invalid_argument, naming the possible ones.
const Kernels& kernels(const std::string& name);

}  // namespace icepoint
