// Products of int16 modulo 2^32, which the algorithms with transformed operands share.
//
// Included inside a target region.
#pragma once

#include "kernels/wide/accumulate.h"

namespace icepoint::wide {

/// m (T tiles, 2 L) = u (T, steps of two int16) times w (steps, 2 L, 2). `chunk`: int16 from a chunk of u to
/// the next. Asks for the weights `ahead` int16 behind those in use.
template <class V, int T>
void products16(const int16_t* u, int64_t chunk, int64_t steps, const int16_t* w, int64_t ahead, int32_t* m) {
  using Reg = typename V::Reg;
  constexpr int L = V::kLanes;
  Reg sum[T][2];
  unrolled<T>([&](auto t) ICEPOINT_ALWAYS_INLINE { sum[t][0] = sum[t][1] = V::zero(); });
  for (int64_t k = 0; k < steps; k += kChunk16 / 2, u += chunk) {
    const int16_t* x = u;
    for (int64_t i = std::min(steps - k, kChunk16 / 2); i > 0; --i, x += 2, w += 4 * L) {
      const Reg first = V::load(w), second = V::load(w + 2 * L);
      for (int64_t line = 0; line < 4 * L; line += 32) __builtin_prefetch(w + ahead + line, 0, 2);
      unrolled<T>([&](auto t) ICEPOINT_ALWAYS_INLINE {
        int32_t two;
        std::memcpy(&two, x + t * kChunk16, sizeof(two));
        const Reg both = V::splat32(two);
        V::add_dot16(sum[t][0], both, first);
        V::add_dot16(sum[t][1], both, second);
      });
    }
  }
  unrolled<T>([&](auto t) ICEPOINT_ALWAYS_INLINE {
    V::store(m + t * 2 * L, sum[t][0]);
    V::store(m + t * 2 * L + L, sum[t][1]);
  });
}

template <class V>
using Products16 = void (*)(const int16_t*, int64_t, int64_t, const int16_t*, int64_t, int32_t*);

template <class V, int... t>
constexpr auto products16_table(std::integer_sequence<int, t...>) {
  return std::array<Products16<V>, sizeof...(t)>{products16<V, t + 1>...};
}

/// products16 of 1, 2, ... tiles: as many as registers hold.
template <class V>
inline constexpr auto kProducts16 = products16_table<V>(std::make_integer_sequence<int, V::max_pixels(1)>{});

/// m = u times w (places, steps, 2 L, 2): a place's matrix of weights stays in the first cache while all
/// tiles meet it.
template <class V>
void products16_of_places(int64_t places, const Places16& lie, const int16_t* u, int64_t steps,
                          const int16_t* w, int32_t* m) {
  constexpr int L = V::kLanes;
  constexpr int64_t kAtOnce = V::max_pixels(1);
  const int64_t blocks = divide_up(lie.tiles, kAtOnce);
  // The second block, or the only one, asks for the next place's matrix while this one is near.
  const int64_t matrix = steps * 4 * L, asks = blocks > 1 ? 1 : 0;
  for (int64_t place = 0; place < places; ++place, w += matrix, u += lie.u_step, m += lie.m_step)
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t begin = part_begin(lie.tiles, blocks, b), end = part_begin(lie.tiles, blocks, b + 1);
      kProducts16<V>[end - begin - 1](u + begin * kChunk16, lie.tiles * kChunk16, steps, w,
                                      b == asks ? matrix : 0, m + begin * 2 * L);
    }
}

}  // namespace icepoint::wide
