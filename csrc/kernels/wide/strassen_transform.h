// Strassen's seven products for eight, in Winograd's form with fewer additions: what goes in, what comes out.
//
// Of (C11 C12; C21 C22) = (A11 A12; A21 A22) (B11 B12; B21 B22), each a block, as arrays of four in that
// order. Included inside a target region.
#pragma once

namespace icepoint::wide {

/// The seven left factors of A's blocks.
template <class V>
ICEPOINT_INLINE void strassen_left(const typename V::Reg* a, typename V::Reg* s) {
  const auto sum = V::add16(a[2], a[3]), both = V::sub16(sum, a[0]);
  s[0] = a[0], s[1] = a[1], s[2] = V::sub16(a[1], both), s[3] = a[3];
  s[4] = sum, s[5] = both, s[6] = V::sub16(a[0], a[2]);
}

/// The seven right factors of B's blocks.
template <class V>
void strassen_right(const int32_t* b, int32_t* t) {
  const int32_t difference = b[1] - b[0], both = b[3] - difference;
  t[0] = b[0], t[1] = b[2], t[2] = b[3], t[3] = both - b[2];
  t[4] = difference, t[5] = both, t[6] = b[3] - b[1];
}

/// C's blocks of the seven products.
template <class V>
ICEPOINT_INLINE void strassen_sums(const typename V::Reg* p, typename V::Reg* c) {
  const auto two = V::add32(p[0], p[5]), three = V::add32(two, p[6]);
  c[0] = V::add32(p[0], p[1]), c[1] = V::add32(V::add32(two, p[4]), p[2]);
  c[2] = V::sub32(three, p[3]), c[3] = V::add32(three, p[4]);
}

/// Blocks of a matrix of (2^levels, 2^levels), the index of each in the order of the recursion: the upper
/// bits of row and column first.
template <int levels>
constexpr int strassen_block(int row, int column) {
  return levels == 1 ? 2 * row + column : 8 * (row / 2) + 4 * (column / 2) + 2 * (row % 2) + column % 2;
}

/// One level of all blocks, or two: `in` has 4^levels elements and `out` 7^levels.
template <int levels, class T, class F>
ICEPOINT_INLINE void strassen_factors(const T* in, T* out, const F& one) {
  if constexpr (levels == 1) {
    one(in, out);
  } else {
    T half[7][4];
    for (int i = 0; i < 4; ++i) {
      const T four[4] = {in[i], in[4 + i], in[8 + i], in[12 + i]};
      T seven[7];
      one(four, seven);
      for (int p = 0; p < 7; ++p) half[p][i] = seven[p];
    }
    for (int p = 0; p < 7; ++p) one(half[p], out + 7 * p);
  }
}

/// And back: `products(i)` of 7^levels to 4^levels sums.
template <class V, int levels, class F>
ICEPOINT_INLINE void strassen_results(const F& products, typename V::Reg* c) {
  using Reg = typename V::Reg;
  const auto seven = [&](int first, Reg* four) ICEPOINT_ALWAYS_INLINE {
    Reg p[7];
    for (int i = 0; i < 7; ++i) p[i] = products(first + i);
    strassen_sums<V>(p, four);
  };
  if constexpr (levels == 1) {
    seven(0, c);
  } else {
    Reg half[7][4];
    for (int p = 0; p < 7; ++p) seven(7 * p, half[p]);
    for (int i = 0; i < 4; ++i) {
      Reg p[7], four[4];
      for (int k = 0; k < 7; ++k) p[k] = half[k][i];
      strassen_sums<V>(p, four);
      for (int k = 0; k < 4; ++k) c[4 * k + i] = four[k];
    }
  }
}

}  // namespace icepoint::wide
