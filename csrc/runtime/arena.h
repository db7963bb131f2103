// Where values with known lifetimes lie in one block of memory, and the blocks themselves.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace icepoint {

/// Every offset is a multiple of this: a cache line, and the widest vector.
inline constexpr int64_t kArenaAlignment = 64;

/// A value of `bytes` > 0 that is needed during the steps first..last, both included.
struct Lifetime {
  int64_t first = 0, last = 0, bytes = 0;
};

struct Layout {
  std::vector<int64_t> offsets;  // one a lifetime, multiples of kArenaAlignment
  int64_t bytes = 0;             // end of the highest value, rounded up
};

/// Lays values that are alive at the same step beside each other, and lets the others share bytes: the
/// largest first, each at the lowest place that is free during its life ("greedy by size" of Pisarchyk
/// and Lee, Efficient Memory Management for Deep Neural Net Inference, 2020). Steps lie in 0..steps - 1.
/// Throws std::invalid_argument where `cap` bytes do not suffice. Takes O(n log n) for graphs in which few
/// values are alive at a time, and never more than a fixed number of comparisons.
Layout assign_offsets(std::span<const Lifetime> lifetimes, int64_t steps, int64_t cap);

/// Blocks of one size that calls borrow and give back, without a lock: an idle block lies in one of a few
/// places, and whoever exchanges a place's pointer for null owns the block. Safe to fork.
class ArenaPool {
 public:
  explicit ArenaPool(int64_t block_bytes);
  ~ArenaPool();
  ArenaPool(const ArenaPool&) = delete;
  ArenaPool& operator=(const ArenaPool&) = delete;

  struct GiveBack {
    ArenaPool* pool = nullptr;
    void operator()(uint8_t* block) const { pool->give_back(block); }
  };
  using Block = std::unique_ptr<uint8_t, GiveBack>;

  /// An aligned block with undefined content, kSlack readable bytes behind it; throws std::bad_alloc.
  Block take();

 private:
  void give_back(uint8_t* block) noexcept;

  static constexpr int64_t kPlaces = 16;
  const int64_t block_bytes_;
  const int64_t kept_;  // places in use: blocks that lie idle at most
  std::array<std::atomic<uint8_t*>, kPlaces> idle_{};
};

}  // namespace icepoint
