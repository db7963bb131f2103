// Rows of accumulators become rows of codes: eight channels at a time, single ones at the edges.
#include "kernels/portable/requantize.h"

namespace icepoint::portable {

namespace {

// Below so many rows the constants of eight channels cost more than they save.
constexpr int64_t kFewRows = 3;

void store_accumulators(const uint32_t* acc, int64_t acc_step, int64_t rows, int64_t n, int32_t* y,
                        int64_t y_step) {
  for (int64_t r = 0; r < rows; ++r) std::memcpy(y + r * y_step, acc + r * acc_step, n * sizeof(int32_t));
}

void store_channel(const Requant& q, int64_t channel, const uint32_t* acc, int64_t acc_step, int64_t rows,
                   uint8_t* y, int64_t y_step) {
  const int64_t multiplier = q.multiplier[channel], lo = q.lo, hi = q.hi;
  const int32_t shift = q.shift[channel];
  // Rounding term and zero point in one: 2^53 + 255 * 2^54 + 2^62 < 2^63.
  const int64_t offset = (int64_t{1} << (shift - 1)) + (int64_t{q.zero_point} << shift);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t code = (static_cast<int32_t>(acc[r * acc_step]) * multiplier + offset) >> shift;
    y[r * y_step] = static_cast<uint8_t>(std::clamp(code, lo, hi));
  }
}

// Four channels; y takes eight bytes, of which the last four have no meaning.
inline void store4(const Requant4& q, const uint32_t* acc, int32_t lo, int32_t hi, uint8_t* y) {
  uint8_t codes[8];
  store8(q(load_any<U32x4>(acc)), I32x4{}, lo, hi, codes);
  std::memcpy(y, codes, 4);
}

}  // namespace

void store_rows(const Requant* q, const uint32_t* acc, int64_t acc_step, int64_t rows, int64_t first,
                int64_t n, void* y, int64_t index, int64_t y_step) {
  if (q == nullptr)
    return store_accumulators(acc, acc_step, rows, n, static_cast<int32_t*>(y) + index, y_step);
  const int32_t lo = q->lo, hi = q->hi, zero_point = q->zero_point;
  uint8_t* to = static_cast<uint8_t*>(y) + index;
  const int32_t *multiplier = q->multiplier + first, *shift = q->shift + first;
  int64_t i = 0;
  // Channels are the outer loop, so that their multipliers and shifts stay in registers.
  while (i < n) {
    if (i + 4 > n || rows < kFewRows || !Requant4::possible(shift + i)) {
      store_channel(*q, first + i, acc + i, acc_step, rows, to + i, y_step);
      ++i;
      continue;
    }
    const Requant4 low(multiplier + i, shift + i, zero_point);
    if (i + 8 > n || !Requant4::possible(shift + i + 4)) {
      for (int64_t r = 0; r < rows; ++r) store4(low, acc + r * acc_step + i, lo, hi, to + r * y_step + i);
      i += 4;
      continue;
    }
    const Requant4 high(multiplier + i + 4, shift + i + 4, zero_point);
    for (int64_t r = 0; r < rows; ++r) {
      const uint32_t* from = acc + r * acc_step + i;
      store8(low(load_any<U32x4>(from)), high(load_any<U32x4>(from + 4)), lo, hi, to + r * y_step + i);
    }
    i += 8;
  }
}

}  // namespace icepoint::portable
