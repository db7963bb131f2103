// A few threads of our own: split a range, run the parts, wait.
#pragma once

#include <cstdint>
#include <functional>

namespace icepoint {

/// Threads that parallel_for may use, the caller's included. Starts as ICEPOINT_THREADS, else
/// the CPUs that this process may run on. set throws std::invalid_argument outside 1..256.
int num_threads();
void set_num_threads(int n);

/// Calls part(begin, end) over a partition of 0..count, each part at least `grain` long, on up to
/// num_threads() threads, and returns when all are done. Where the threads are busy with another
/// call (or this is called from inside a part) the caller does everything itself: no dead-lock.
/// After fork() the child starts threads of its own. `part` must not throw.
void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& part);

}  // namespace icepoint
