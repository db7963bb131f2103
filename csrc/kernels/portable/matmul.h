// Rows of x times packed weights: the loop nest that convolutions and linear layers share.
//
// Weights w' (lanes, k) are centred int16. Output channels are the vector lanes, and two
// neighbours of k share a lane: packed is (panel, k / 2, lane of the panel, 2) with panels of 16
// lanes, the last one cut to a multiple of 4; an odd k and missing lanes are filled with zeros.
// 16 rows of x are centred into a buffer, 512 values at a time, so that a panel's part (16 KiB)
// and the buffer stay in the first cache while each panel meets all 16 rows.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"
#include "kernels/portable/requantize.h"

namespace icepoint::portable {

inline constexpr int64_t kRows = 16;          // of x in the buffer
inline constexpr int64_t kChunk = 512;        // of k in the buffer; even
inline constexpr int64_t kStep = kChunk + 8;  // from one row of the buffer to the next
inline constexpr int64_t kPanel = 16;         // lanes
inline constexpr int64_t kBlock = 128;        // lanes whose accumulators are held; a multiple of kPanel

inline int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// int16 elements of packed weights.
inline int64_t matmul_packed_count(int64_t lanes, int64_t k) {
  return round_up(lanes, 4) * round_up(k, 2);
}

/// Writes weight(lane, j) for all lanes and j < k.
template <class Weight>
void matmul_pack(int64_t lanes, int64_t k, const Weight& weight, int16_t* packed) {
  for (int64_t panel = 0; panel < lanes; panel += kPanel) {
    const int64_t width = std::min(kPanel, round_up(lanes - panel, 4));
    for (int64_t pair = 0; pair < k; pair += 2)
      for (int64_t lane = panel; lane < panel + width; ++lane)
        for (int64_t j = pair; j < pair + 2; ++j)
          *packed++ = lane < lanes && j < k ? weight(lane, j) : int16_t{0};
  }
}

/// acc (P rows kBlock apart, 4 V lanes) += x (P rows `x_step` apart) times `pairs` pairs of w.
template <int P, int V>
inline void accumulate(const int16_t* x, int64_t x_step, const int16_t* w, int64_t pairs, uint32_t* acc) {
  U32x4 sum[P][V];
  for (int p = 0; p < P; ++p)
    for (int v = 0; v < V; ++v) sum[p][v] = load<U32x4>(acc + p * kBlock + 4 * v);
  for (int64_t i = 0; i < pairs; ++i, w += 8 * V) {
    I16x8 both[P];
    for (int p = 0; p < P; ++p) both[p] = splat_pair(x + p * x_step + 2 * i);
    for (int v = 0; v < V; ++v) {
      const I16x8 weight = load<I16x8>(w + 8 * v);
      for (int p = 0; p < P; ++p) sum[p][v] += dot_pairs(both[p], weight);
    }
  }
  for (int p = 0; p < P; ++p)
    for (int v = 0; v < V; ++v) store_any(acc + p * kBlock + 4 * v, sum[p][v]);
}

// Sixteen 128-bit registers hold P * V sums, P broadcast pairs and the weights.
template <int V>
inline void accumulate_rows(const int16_t* x, int64_t x_step, int64_t rows, const int16_t* w, int64_t pairs,
                            uint32_t* acc) {
  constexpr int P = V <= 2 ? 4 : 2;
  int64_t r = 0;
  for (; r + P <= rows; r += P) accumulate<P, V>(x + r * x_step, x_step, w, pairs, acc + r * kBlock);
  for (; r < rows; ++r) accumulate<1, V>(x + r * x_step, x_step, w, pairs, acc + r * kBlock);
}

/// One multiplication: output rows `begin`..`end`, lanes `lane_begin`..`lane_end` of it.
struct Matmul {
  const int16_t* packed;
  int64_t lanes, k;
  int64_t lane_begin, lane_end;
  const int32_t* bias;     // of lane 0
  const Requant* requant;  // indexed by channel
  int64_t channel;         // of lane 0, in requant and in a row of y
  void* y;
  int64_t y_step;  // channels of a row of y
  int64_t begin, end;
};

/// `gather(row, rows, k_begin, k_end, to)` writes the centred x of `rows` rows, row r from
/// to + r * kStep on; behind each it may write 7 values more.
template <class Gather>
void matmul(const Matmul& m, const Gather& gather) {
  alignas(64) int16_t x[kRows * kStep];
  alignas(64) uint32_t acc[kRows * kBlock];

  for (int64_t row = m.begin; row < m.end; row += kRows) {
    const int64_t rows = std::min(kRows, m.end - row);
    for (int64_t block = m.lane_begin / kPanel * kPanel; block < m.lane_end; block += kBlock) {
      const int64_t block_end = std::min(block + kBlock, m.lane_end);
      const int64_t padded_end = std::min(round_up(block_end, kPanel), round_up(m.lanes, 4));
      alignas(64) uint32_t bias[kBlock];
      const int64_t lanes = std::min(padded_end, m.lanes) - block;
      std::fill_n(std::copy_n(m.bias + block, lanes, bias), padded_end - block - lanes, 0);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t lane = 0; lane < padded_end - block; lane += 4)
          store_any(acc + r * kBlock + lane, load<U32x4>(bias + lane));

      for (int64_t k = 0; k < m.k; k += kChunk) {
        const int64_t k_end = std::min(k + kChunk, m.k), pairs = (k_end - k + 1) / 2;
        gather(row, rows, k, k_end, x);
        // the other half of an odd last pair
        for (int64_t r = 0; r < rows; ++r) x[r * kStep + k_end - k] = 0;
        for (int64_t panel = block; panel < padded_end; panel += kPanel) {
          const int64_t width = std::min(kPanel, padded_end - panel);
          const int16_t* w = m.packed + panel * round_up(m.k, 2) + k * width;
          uint32_t* sums = acc + panel - block;
          switch (width / 4) {
            case 1:
              accumulate_rows<1>(x, kStep, rows, w, pairs, sums);
              break;
            case 2:
              accumulate_rows<2>(x, kStep, rows, w, pairs, sums);
              break;
            case 3:
              accumulate_rows<3>(x, kStep, rows, w, pairs, sums);
              break;
            default:
              accumulate_rows<4>(x, kStep, rows, w, pairs, sums);
              break;
          }
        }
      }

      const int64_t first = std::max(block, m.lane_begin);
      store_rows(m.requant, acc + first - block, kBlock, rows, m.channel + first, block_end - first, m.y,
                 row * m.y_step + m.channel + first, m.y_step);
    }
  }
}

}  // namespace icepoint::portable
