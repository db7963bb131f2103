// NumPy's .npy files: float32 and uint8 arrays in C order.
#pragma once

#include <string>

#include "graph/graph.h"
#include "replay/files.h"

namespace icepoint {

/// The array of a .npy file of version 1, 2 or 3 (NumPy's "A simple file format for NumPy arrays"):
/// '<f4' or '|u1', C order. Everything else is refused, with what to do. Throws std::invalid_argument.
Tensor parse_npy(const Bytes& file);

/// Header and elements of a dense array; `T` is float or uint8_t. Bytes equal those of numpy.save.
template <class T>
Bytes format_npy(const std::vector<T>& elements, const Shape& shape);

}  // namespace icepoint
