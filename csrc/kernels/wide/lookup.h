// y = table[x]: one load a byte, or the whole table in registers where the CPU can permute bytes.
#pragma once

#include "kernels/wide/runs.h"

namespace icepoint::wide {

template <class V>
void lookup(const LookupArgs& a) {
  const bool dense = !a.per_channel && a.x.pixel == a.c && a.y.pixel == a.c;
  const int64_t step = a.per_channel ? 256 : 0;  // from one channel's table to the next
  for_each_run<V>(a.h, a.w, a.c, a.begin, a.end, dense,
                  [&](int64_t image, int64_t row, int64_t column, int64_t n) {
                    const uint8_t* x = a.x.at(image, row, column);
                    uint8_t* y = a.y.at(image, row, column);
                    const uint8_t* table = a.table;
                    for (int64_t i = 0; i < n; ++i, table += step) y[i] = table[x[i]];
                  });
}

}  // namespace icepoint::wide
