// Portable pools: the loop over channels is the inner one, and the compiler's.
#include <algorithm>
#include <cstring>

#include "core/requantize.h"
#include "kernels/portable/requantize.h"
#include "kernels/portable/table.h"

namespace icepoint::portable {

void max_pool2d(const MaxPool2dArgs& a) {
  const int64_t channels = a.c;  // a local, because a store to y might change `a` for all the compiler knows
  for (int64_t row = a.begin; row < a.end; ++row) {
    const uint8_t* image = a.x + row / a.oh * a.h * a.w * a.c;
    const int64_t oy = row % a.oh;
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      uint8_t* __restrict y = a.y + (row * a.ow + ox) * a.c;
      std::memset(y, 0, a.c);  // no code is below 0
      for (int64_t j = 0; j < a.rows.count[oy]; ++j) {
        const uint8_t* line = image + (a.rows.begin[oy] + j * a.rows.step) * a.w * a.c;
        for (int64_t i = 0; i < a.cols.count[ox]; ++i) {
          const uint8_t* __restrict x = line + (a.cols.begin[ox] + i * a.cols.step) * a.c;
          for (int64_t c = 0; c < channels; ++c) y[c] = std::max(y[c], x[c]);
        }
      }
    }
  }
}

namespace {

// y[c] = Q(sum[c]) for c < n.
void store_sums(const AvgPool2dArgs& a, int32_t multiplier, int32_t shift, const int32_t* sum, int64_t n,
                uint8_t* y) {
  const int32_t zero_point = a.y_zero_point, lo = a.lo, hi = a.hi;
  int64_t c = 0;
  if (shift >= Requant4::kLeastShift && n >= 8) {
    const Requant4 q = Requant4::same(multiplier, shift, zero_point);
    for (; c + 8 <= n; c += 8)
      store8(q(load_any<U32x4>(sum + c)), q(load_any<U32x4>(sum + c + 4)), lo, hi, y + c);
  }
  for (; c < n; ++c)
    y[c] = static_cast<uint8_t>(requantize_clamp(sum[c], multiplier, shift, zero_point, lo, hi));
}

}  // namespace

void avg_pool2d(const AvgPool2dArgs& a) {
  constexpr int64_t kChannels = 256;  // whose sums are held
  int32_t sum[kChannels];
  for (int64_t row = a.begin; row < a.end; ++row) {
    const uint8_t* image = a.x + row / a.oh * a.h * a.w * a.c;
    const int64_t oy = row % a.oh;
    for (int64_t ox = 0; ox < a.ow; ++ox) {
      const int32_t which = a.which[oy * a.ow + ox];
      const int32_t multiplier = a.multiplier[which], shift = a.shift[which];
      const int32_t zero = a.rows.count[oy] * a.cols.count[ox] * a.x_zero_point;
      uint8_t* y = a.y + (row * a.ow + ox) * a.c;
      for (int64_t first = 0; first < a.c; first += kChannels) {
        const int64_t n = std::min(kChannels, a.c - first);
        std::fill_n(sum, n, -zero);
        for (int64_t j = 0; j < a.rows.count[oy]; ++j) {
          const uint8_t* x = image + ((a.rows.begin[oy] + j) * a.w + a.cols.begin[ox]) * a.c + first;
          for (int64_t i = 0; i < a.cols.count[ox]; ++i, x += a.c)
            for (int64_t c = 0; c < n; ++c) sum[c] += x[c];
        }
        store_sums(a, multiplier, shift, sum, n, y + first);
      }
    }
  }
}

}  // namespace icepoint::portable
