// The IDX format of the MNIST files, plain or in gzip.
#pragma once

#include <string>

#include "graph/graph.h"
#include "replay/files.h"

namespace icepoint {

inline constexpr int64_t kMaxIdxBytes = int64_t{1} << 31;  // after gunzip

/// The uint8 tensor (n), (n, h, w), ... of an IDX file: 00 00 08 rank, big-endian dimensions,
/// elements. The size must follow exactly from the header; a gzip member is unpacked to that size
/// and no further, so a bomb costs nothing. Throws std::invalid_argument.
Tensor parse_idx(const Bytes& file);
Tensor read_idx(const std::string& path);

}  // namespace icepoint
