// One block a thread.
#include "kernels/scratch.h"

#include <cstdlib>

namespace icepoint {

namespace {

struct Block {
  void* data = nullptr;
  size_t size = 0;
  ~Block() { std::free(data); }
};

}  // namespace

uint8_t* thread_scratch(size_t wanted) noexcept {
  thread_local Block block;
  if (wanted > block.size) {
    const size_t rounded = (wanted + 63) / 64 * 64;
    void* larger = std::aligned_alloc(64, rounded);
    if (larger == nullptr) return nullptr;
    std::free(block.data);
    block.data = larger;
    block.size = rounded;
  }
  return static_cast<uint8_t*>(block.data);
}

}  // namespace icepoint
