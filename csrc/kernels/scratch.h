// Memory of the calling thread for one kernel call, kept for the next.
#pragma once

#include <cstddef>
#include <cstdint>

namespace icepoint {

/// `wanted` bytes on a cache line, the same ones at every call of this thread; grows, and is given back
/// when the thread ends. Null where the system has none: a kernel then works in less.
uint8_t* thread_scratch(size_t wanted) noexcept;

}  // namespace icepoint
