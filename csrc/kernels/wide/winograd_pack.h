// Weights of 3x3 kernels transformed for tiles of 4x4 outputs.
//
// Included inside a target region.
#pragma once

#include "kernels/wide/epilogue.h"

namespace icepoint::wide {

/// Constants of a pair of vectors of output channels. A sum modulo 2^26 is told from its neighbours once
/// `center` moves its range around zero: acc = ((z / 9 + 64 center) >> 6) + bias.
template <class V>
struct WinogradHead {
  Scales<V, 2> scales;
  uint32_t center[2 * V::kLanes];  // times 64
  uint32_t bias[2 * V::kLanes];    // bias - zx sum(w') - center
};

/// 24 G of F(4x4, 3x3) at the points 0, 1, -1, 2, -2 and infinity (Lavin and Gray, Fast Algorithms for
/// Convolutional Neural Networks, 2016), its last row 6 G: then the sums come out 576 times too large.
inline constexpr int kWinogradWeights[6][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4},
                                               {1, 2, 4}, {1, -2, 4},   {0, 0, 6}};

template <class V>
struct WinogradPacker {
  static constexpr int L = V::kLanes;
  const Conv2dSpec& spec;
  const WinogradPlan& plan;
  std::vector<int16_t> row = std::vector<int16_t>(static_cast<size_t>(9 * plan.ic));

  // Input channel `ic` of one output channel: 36 numbers, a matrix apart.
  void put(int64_t ic, int16_t* to) const {
    int32_t columns[6][3];  // 24 G g
    for (int i = 0; i < 6; ++i)
      for (int x = 0; x < 3; ++x) {
        columns[i][x] = 0;
        for (int y = 0; y < 3; ++y) columns[i][x] += kWinogradWeights[i][y] * row[(3 * y + x) * plan.ic + ic];
      }
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 6; ++j, to += plan.steps * 4 * L) {
        int32_t sum = 0;
        for (int x = 0; x < 3; ++x) sum += kWinogradWeights[j][x] * columns[i][x];
        *to = static_cast<int16_t>(sum);
      }
  }

  // Output channel `oc`, the c-th of its panel.
  void channel(int64_t oc, int c, uint8_t* panel) {
    const PairLane<V> at(c);
    const int lane = at.vector * L + at.lane;
    WinogradHead<V>& head = *reinterpret_cast<WinogradHead<V>*>(panel);
    spec.weight->read(oc, row.data());
    int64_t positive = 0, negative = 0;
    for (const int16_t w : row) (w > 0 ? positive : negative) += w;
    const int64_t center = -255 * (positive + negative) / 2;  // sums lie in 255 negative .. 255 positive
    head.center[lane] = static_cast<uint32_t>(center) << 6;
    head.bias[lane] = static_cast<uint32_t>(spec.bias[oc]) - static_cast<uint32_t>(center) -
                      static_cast<uint32_t>(spec.x_zero_point) * static_cast<uint32_t>(positive + negative);
    if (spec.requant != nullptr) head.scales.set(at.vector, at.lane, *spec.requant, oc);
    auto* weights = reinterpret_cast<int16_t*>(panel + sizeof(head));
    for (int64_t ic = 0; ic < plan.ic; ++ic) put(ic, weights + ic / 2 * 4 * L + 2 * lane + ic % 2);
  }
};

template <class V>
WinogradPlan winograd_plan(const Conv2dSpec& spec) {
  return {spec, 2 * V::kLanes, sizeof(WinogradHead<V>)};
}

template <class V>
void winograd_pack(const Conv2dSpec& spec, void* packed) {
  const WinogradPlan plan = winograd_plan<V>(spec);
  std::memset(packed, 0, plan.packed_size());
  std::memcpy(packed, &plan, sizeof(plan));
  WinogradPacker<V> packer{spec, plan};
  uint8_t* panel = static_cast<uint8_t*>(packed) + sizeof(plan);
  for (int64_t oc = 0; oc < plan.oc; ++oc)
    packer.channel(oc, static_cast<int>(oc % (2 * V::kLanes)),
                   panel + oc / (2 * V::kLanes) * plan.panel_bytes);
}

}  // namespace icepoint::wide
