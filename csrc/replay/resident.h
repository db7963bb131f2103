// How much memory this process holds.
#pragma once

#include <cstdint>

namespace icepoint {

/// Bytes of this process that lie in memory now (Linux: /proc/self/statm), or 0 where the system does not
/// say.
int64_t resident_bytes();

}  // namespace icepoint
