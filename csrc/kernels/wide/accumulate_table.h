// Every inner loop of a convolution that a table needs, by what it reads and how much at once.
//
// Included inside a target region.
#pragma once

#include "kernels/wide/accumulate.h"

namespace icepoint::wide {

template <class V>
using AccumulateCall = void (*)(const Reduction&, const uint8_t* const*, const PairHead<V>*, const uint8_t*,
                                int32_t*);

/// Every Accumulate of one kind of weights, made once: [pairs - 1][rows - 1][pixels of a row].
template <class V>
struct AccumulateTable {
  AccumulateCall<V> call[V::kPanelPairs][2][V::max_pixels(1) + 1] = {};

  template <class Form, int kRounds>
  static constexpr AccumulateTable of() {
    AccumulateTable t;
    t.fill<Form, kRounds, 1>();
    if constexpr (V::kPanelPairs == 2) t.fill<Form, kRounds, 2>();
    return t;
  }

  template <class Form, int kRounds, int pairs>
  constexpr void fill() {
    constexpr int most = V::max_pixels(pairs);
    [this]<int... i>(std::integer_sequence<int, i...>) {
      ((call[pairs - 1][0][i + 1] = Accumulate<V, Form, kRounds, 2 * pairs, 1, i + 1>::call), ...);
    }
    (std::make_integer_sequence<int, most>{});
    [this]<int... i>(std::integer_sequence<int, i...>) {
      ((call[pairs - 1][1][i + 1] = Accumulate<V, Form, kRounds, 2 * pairs, 2, i + 1>::call), ...);
    }
    (std::make_integer_sequence<int, most / 2>{});
  }
};

/// The calls for bytes of weights that end in codes: [has a residual][pixels of a row].
template <class V>
struct CodesTable {
  using Call = void (*)(const Reduction&, const uint8_t*, const PairHead<V>*, const uint8_t*,
                        const RowCodes<V>&);
  Call call[2][V::max_pixels(1) + 1] = {};

  constexpr CodesTable() {
    [this]<int... i>(std::integer_sequence<int, i...>) {
      ((call[0][i + 1] = Accumulate<V, typename V::Bytes, 1, 2, 1, i + 1>::template call_codes<false>), ...);
      ((call[1][i + 1] = Accumulate<V, typename V::Bytes, 1, 2, 1, i + 1>::template call_codes<true>), ...);
    }
    (std::make_integer_sequence<int, V::max_pixels(1)>{});
  }
};

template <class V>
inline constexpr CodesTable<V> kCodes{};

template <class V, class Form, int kRounds>
inline constexpr AccumulateTable<V> kAccumulate = AccumulateTable<V>::template of<Form, kRounds>();

template <class V>
const AccumulateTable<V>& accumulate_table(const Plan& plan) {
  if constexpr (V::kStreams)
    if (plan.streamed) return kAccumulate<V, typename V::Streamed, 1>;
  switch (plan.kind) {
    case WeightKind::i4:
      return kAccumulate<V, typename V::Nibbles, 1>;
    case WeightKind::i16:
      return kAccumulate < V, typename V::Bytes, V::kTwoRounds ? 2 : 1 > ;
    default:
      return kAccumulate<V, typename V::Bytes, 1>;
  }
}

}  // namespace icepoint::wide
