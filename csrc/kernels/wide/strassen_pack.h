// Weights of a convolution transformed for Strassen's products.
//
// Included inside a target region.
#pragma once

#include "kernels/wide/accumulate.h"
#include "kernels/wide/strassen_transform.h"

namespace icepoint::wide {

template <class V>
struct StrassenPacker {
  static constexpr int L = V::kLanes;
  const Conv2dSpec& spec;
  const StrassenPlan& plan;
  std::vector<int16_t> rows;  // (panel_channels, taps, ic)

  StrassenPacker(const Conv2dSpec& s, const StrassenPlan& p)
      : spec(s), plan(p), rows(static_cast<size_t>(plan.panel_channels * plan.taps * plan.ic)) {}

  // The panel of output channels from `oc` on.
  void panel(int64_t oc, uint8_t* to) {
    const int64_t row = plan.taps * plan.ic;
    std::fill(rows.begin(), rows.end(), int16_t{0});
    for (int64_t c = 0; c < std::min(plan.panel_channels, plan.oc - oc); ++c) {
      spec.weight->read(oc + c, &rows[c * row]);
      uint32_t sum = 0;
      for (int64_t i = 0; i < row; ++i) sum += static_cast<uint32_t>(rows[c * row + i]);
      const PairLane<V> at(static_cast<int>(c % (2 * L)));
      PairHead<V>& head = reinterpret_cast<PairHead<V>*>(to)[c / (2 * L)];
      head.bias[at.vector * L + at.lane] =
          static_cast<uint32_t>(spec.bias[oc + c]) - static_cast<uint32_t>(spec.x_zero_point) * sum;
      if (spec.requant != nullptr) head.scales.set(at.vector, at.lane, *spec.requant, oc + c);
    }
    auto* weights = reinterpret_cast<int16_t*>(to + plan.parts * sizeof(PairHead<V>));
    for (int c = 0; c < 2 * L; ++c)
      for (int64_t k = 0; k < plan.taps * plan.piece; ++k)
        plan.levels == 1 ? put<1>(c, k, weights) : put<2>(c, k, weights);
  }

  // The k-th input of every piece and the c-th output of every pair: one number of each product's matrix.
  template <int levels>
  void put(int c, int64_t k, int16_t* weights) const {
    constexpr int parts = 1 << levels;
    int32_t b[parts * parts], t[levels == 1 ? 7 : 49];
    const int64_t tap = k / plan.piece;
    for (int in = 0; in < parts; ++in)
      for (int out = 0; out < parts; ++out) {
        const int64_t ic = in * plan.piece + k % plan.piece;
        b[strassen_block<levels>(in, out)] =
            ic < plan.ic ? rows[((out * 2 * L + c) * plan.taps + tap) * plan.ic + ic] : 0;
      }
    strassen_factors<levels>(b, t, strassen_right<V>);
    const PairLane<V> at(c);
    int16_t* to = weights + k / 2 * 4 * L + 2 * (at.vector * L + at.lane) + k % 2;
    for (const int32_t factor : t) {
      *to = static_cast<int16_t>(factor);
      to += plan.steps * 4 * L;
    }
  }
};

template <class V>
bool strassen_fits(const Conv2dSpec& spec) {
  return strassen_levels(spec, 2 * V::kLanes) > 0;
}

template <class V>
StrassenPlan strassen_plan(const Conv2dSpec& spec) {
  return {spec, 2 * V::kLanes, sizeof(PairHead<V>)};
}

template <class V>
void strassen_pack(const Conv2dSpec& spec, void* packed) {
  const StrassenPlan plan = strassen_plan<V>(spec);
  std::memset(packed, 0, plan.packed_size());
  std::memcpy(packed, &plan, sizeof(plan));
  StrassenPacker<V> packer(spec, plan);
  uint8_t* panel = static_cast<uint8_t*>(packed) + sizeof(plan);
  for (int64_t i = 0; i < plan.panels; ++i, panel += plan.panel_bytes)
    packer.panel(i * plan.panel_channels, panel);
}

}  // namespace icepoint::wide
