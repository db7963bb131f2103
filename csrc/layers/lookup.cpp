// lookup and clamp prepared: functions of one byte.
#include <cassert>

#include "layers/layers.h"

namespace icepoint {

namespace {

class LookupLayer final : public Layer {
 public:
  LookupLayer(const Kernels& kernels, Extent x, std::span<const uint8_t> table)
      : kernels_(kernels), extent_(x), table_(table.begin(), table.end()) {
    assert(table.size() == 256 || static_cast<int64_t>(table.size()) == 256 * x.c);
  }

  int64_t units(int64_t n) const override { return n * extent_.h; }

  void run(const uint8_t* const* xs, void* y, int64_t, int64_t begin, int64_t end) const override {
    kernels_.lookup({.x = xs[0],
                     .y = static_cast<uint8_t*>(y),
                     .table = table_.data(),
                     .per_channel = table_.size() > 256,
                     .c = extent_.c,
                     .begin = begin * extent_.w,
                     .end = end * extent_.w});
  }

  int64_t bytes() const override { return static_cast<int64_t>(table_.size()); }

 private:
  const Kernels& kernels_;
  Extent extent_;
  std::vector<uint8_t> table_;
};

class ClampLayer final : public Layer {
 public:
  ClampLayer(const Kernels& kernels, Extent x, int32_t lo, int32_t hi)
      : kernels_(kernels), extent_(x), lo_(lo), hi_(hi) {}

  int64_t units(int64_t n) const override { return n * extent_.h; }

  void run(const uint8_t* const* xs, void* y, int64_t, int64_t begin, int64_t end) const override {
    const int64_t row = extent_.w * extent_.c;
    kernels_.clamp({.x = xs[0],
                    .y = static_cast<uint8_t*>(y),
                    .lo = lo_,
                    .hi = hi_,
                    .begin = begin * row,
                    .end = end * row});
  }

 private:
  const Kernels& kernels_;
  Extent extent_;
  int32_t lo_, hi_;
};

}  // namespace

LayerPtr make_lookup(const Kernels& kernels, Extent x, std::span<const uint8_t> table) {
  return std::make_unique<LookupLayer>(kernels, x, table);
}

LayerPtr make_clamp(const Kernels& kernels, Extent x, int32_t lo, int32_t hi) {
  return std::make_unique<ClampLayer>(kernels, x, lo, hi);
}

}  // namespace icepoint
