// The two transforms of a tile, exact in integers: of 6x6 inputs, and back to 4x4 sums.
//
// Included inside a target region.
#pragma once

namespace icepoint::wide {

/// One dimension of B^T d: six int16 vectors in place. Two of them in a row reach 68 * 255.
template <class V>
ICEPOINT_INLINE void winograd_input(typename V::Reg& d0, typename V::Reg& d1, typename V::Reg& d2,
                                    typename V::Reg& d3, typename V::Reg& d4, typename V::Reg& d5) {
  using Reg = typename V::Reg;
  const Reg a = V::sub16(d4, V::template shl16<2>(d2)), b = V::sub16(d3, V::template shl16<2>(d1));
  const Reg c = V::sub16(d4, d2), e = V::template shl16<1>(V::sub16(d3, d1));
  d0 = V::add16(V::template shl16<2>(V::sub16(d0, d2)), c);
  d5 = V::sub16(V::sub16(d5, d3), V::template shl16<1>(e));
  d1 = V::add16(a, b);
  d2 = V::sub16(a, b);
  d3 = V::add16(c, e);
  d4 = V::sub16(c, e);
}

/// One dimension of A^T m, the weights' factors in it: six int32 vectors to four.
template <class V>
ICEPOINT_INLINE void winograd_output(const typename V::Reg (&m)[6], typename V::Reg (&y)[4]) {
  using Reg = typename V::Reg;
  const Reg s = V::add32(m[1], m[2]), d = V::sub32(m[1], m[2]);
  const Reg p = V::add32(m[3], m[4]), q = V::sub32(m[3], m[4]);
  y[0] = V::add32(V::add32(m[0], s), p);
  y[1] = V::add32(d, V::add32(q, q));
  y[2] = V::add32(s, V::template shl32<2>(p));
  // The last row of 24 G was 6 G: four times too small.
  y[3] = V::add32(V::add32(d, V::template shl32<3>(q)), V::template shl32<2>(m[5]));
}

/// Transforms 2 L channels of one tile. x[i][j] is (row i, column j) of the patch; the 36 results lie
/// `step` int16 apart from `to` on.
template <class V>
ICEPOINT_INLINE void winograd_tile(const uint8_t* const (&rows)[6], const int64_t (&columns)[6], int16_t* to,
                                   int64_t step) {
  using Reg = typename V::Reg;
  Reg d[6][6];
  for (int j = 0; j < 6; ++j) {
    for (int i = 0; i < 6; ++i) d[i][j] = V::load_u8_as_16(rows[i] + columns[j]);
    winograd_input<V>(d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j]);
  }
  for (int i = 0; i < 6; ++i) {
    winograd_input<V>(d[i][0], d[i][1], d[i][2], d[i][3], d[i][4], d[i][5]);
    for (int j = 0; j < 6; ++j, to += step) V::store(to, d[i][j]);
  }
}

/// The accumulators of one tile and one vector of output channels: m[place] is `step` int32 apart, the
/// 4 x 4 results lie `row` and `column` int32 apart.
template <class V>
ICEPOINT_INLINE void winograd_sums(const int32_t* m, int64_t step, typename V::Reg center,
                                   typename V::Reg bias, int32_t* to, int64_t row, int64_t column) {
  using Reg = typename V::Reg;
  const Reg ninth = V::splat32(0x38E38E39);  // 9 * 0x38E38E39 = 1 modulo 2^32
  Reg half[4][6];
  for (int j = 0; j < 6; ++j) {
    Reg in[6], out[4];
    for (int i = 0; i < 6; ++i) in[i] = V::load(m + (6 * i + j) * step);
    winograd_output<V>(in, out);
    for (int i = 0; i < 4; ++i) half[i][j] = out[i];
  }
  for (int i = 0; i < 4; ++i) {
    Reg out[4];
    winograd_output<V>(half[i], out);
    for (int j = 0; j < 4; ++j) {
      const Reg sixty_four = V::add32(V::mul32(out[j], ninth), center);
      V::store(to + i * row + j * column, V::add32(V::template sra32<6>(sixty_four), bias));
    }
  }
}

}  // namespace icepoint::wide
