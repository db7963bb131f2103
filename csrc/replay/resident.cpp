// The second number of /proc/self/statm, in pages.
#include "replay/resident.h"

#include <unistd.h>

#include <fstream>

namespace icepoint {

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  return statm >> total >> resident ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace icepoint
