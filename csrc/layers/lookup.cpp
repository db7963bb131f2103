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

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    kernels_.lookup({.x = xs[0],
                     .y = y,
                     .h = extent_.h,
                     .w = extent_.w,
                     .c = extent_.c,
                     .table = table_.data(),
                     .per_channel = table_.size() > 256,
                     .begin = begin,
                     .end = end});
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

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    kernels_.clamp({.x = xs[0],
                    .y = y,
                    .h = extent_.h,
                    .w = extent_.w,
                    .c = extent_.c,
                    .lo = lo_,
                    .hi = hi_,
                    .begin = begin,
                    .end = end});
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
