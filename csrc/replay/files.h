// Whole files, opened once: what may be a stranger's is read into memory before anyone looks at it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace icepoint {

using Bytes = std::vector<uint8_t>;

inline constexpr int64_t kMaxFileBytes = int64_t{1} << 32;  // 4 GiB: 60,000 RGB images of 150 x 150

/// The bytes of a regular file, never of a folder, a FIFO or a device (which could block or never
/// end). The file is opened once and its size taken from the open file. Throws
/// std::invalid_argument for what is no regular file, is larger than kMaxFileBytes or changes size
/// while it is read, std::system_error where it cannot be opened or read.
Bytes read_file(const std::string& path);

}  // namespace icepoint
