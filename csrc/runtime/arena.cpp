// Greedy-by-size offsets with a bound on the work, and the list of idle blocks.
#include "runtime/arena.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "kernels/kernels.h"

namespace icepoint {
namespace {

// Entries of the lists below that may be visited in all. A chain of 100,000 layers needs 10^6; a graph of
// fewer than 2,500 values stays below the bound whatever its shape is. Beyond it (hundreds of values alive
// at every step) the smallest values are stacked without sharing: a hostile graph costs a second, not hours.
constexpr int64_t kMaxVisits = int64_t{1} << 24;

int64_t aligned(int64_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

void free_block(uint8_t* block) {
  ::operator delete (block, std::align_val_t{kArenaAlignment});
}

/// What has been placed, by step.
class Placed {
 public:
  Placed(std::span<const Lifetime> lives, const std::vector<int64_t>& offsets, int64_t steps)
      : lives_(lives), offsets_(offsets), alive_(steps), starting_(steps) {}

  /// Lists visited to place `life` and to add it.
  int64_t visits(const Lifetime& life) const {
    return static_cast<int64_t>(alive_[life.first].size()) + 2 * (life.last - life.first + 1);
  }

  void add(int32_t i) {
    starting_[lives_[i].first].push_back(i);
    for (int64_t t = lives_[i].first; t <= lives_[i].last; ++t) alive_[t].push_back(i);
  }

  /// The lowest offset at which aligned(life.bytes) bytes are free during the whole life: what overlaps it
  /// was alive when it begins, or begins while it lives.
  int64_t lowest_free(const Lifetime& life) {
    taken_.clear();
    for (int32_t i : alive_[life.first]) take(i);
    for (int64_t t = life.first + 1; t <= life.last; ++t)
      for (int32_t i : starting_[t]) take(i);
    std::sort(taken_.begin(), taken_.end());
    int64_t at = 0;
    for (const auto& [begin, end] : taken_) {
      if (begin - at >= aligned(life.bytes)) break;
      at = std::max(at, end);
    }
    return at;
  }

 private:
  void take(int32_t i) { taken_.emplace_back(offsets_[i], offsets_[i] + aligned(lives_[i].bytes)); }

  std::span<const Lifetime> lives_;
  const std::vector<int64_t>& offsets_;
  std::vector<std::vector<int32_t>> alive_, starting_;
  std::vector<std::pair<int64_t, int64_t>> taken_;  // begin, end; kept for its memory
};

}  // namespace

Layout assign_offsets(std::span<const Lifetime> lives, int64_t steps, int64_t cap) {
  std::vector<int32_t> order(lives.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return lives[a].bytes > lives[b].bytes; });

  Layout layout{std::vector<int64_t>(lives.size()), 0};
  Placed placed(lives, layout.offsets, steps);
  int64_t visits = 0;
  for (int32_t i : order) {
    visits = std::min(visits + placed.visits(lives[i]), kMaxVisits);
    if (visits < kMaxVisits) {
      layout.offsets[i] = placed.lowest_free(lives[i]);
      placed.add(i);
    } else {
      layout.offsets[i] = layout.bytes;
    }
    layout.bytes = std::max(layout.bytes, layout.offsets[i] + aligned(lives[i].bytes));
    require(layout.bytes <= cap, "plan: the activations of one image need more than ", cap,
            " bytes; use smaller inputs or fewer channels");
  }
  return layout;
}

ArenaPool::ArenaPool(int64_t block_bytes)
    : block_bytes_(aligned(block_bytes + kSlack)),
      // 64 MiB of idle blocks, or one block that is larger.
      kept_(std::clamp<int64_t>((int64_t{64} << 20) / block_bytes_, 1, kPlaces)) {}

ArenaPool::~ArenaPool() {
  for (std::atomic<uint8_t*>& place : idle_) free_block(place.load());
}

ArenaPool::Block ArenaPool::take() {
  for (int64_t i = 0; i < kept_; ++i) {
    // A look first: an exchange of an empty place would move its cache line for nothing.
    if (idle_[i].load(std::memory_order_relaxed) == nullptr) continue;
    if (uint8_t* block = idle_[i].exchange(nullptr, std::memory_order_acquire))
      return Block(block, GiveBack{this});
  }
  void* block = ::operator new (static_cast<size_t>(block_bytes_), std::align_val_t{kArenaAlignment});
  return Block(static_cast<uint8_t*>(block), GiveBack{this});
}

void ArenaPool::give_back(uint8_t* block) noexcept {
  for (int64_t i = 0; i < kept_; ++i) {
    uint8_t* none = nullptr;
    if (idle_[i].compare_exchange_strong(none, block, std::memory_order_release)) return;
  }
  free_block(block);
}

}  // namespace icepoint
