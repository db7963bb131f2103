// Weights and constants of a convolution in the order in which the loops meet them.
//
// Included inside a target region.
#pragma once

#include "kernels/wide/accumulate.h"

namespace icepoint::wide {

/// Fewer pixels than these read a layer's weights once: memory sets the time then, and the instructions that
/// widen bytes are free.
inline constexpr int64_t kFewPixels = 4;

/// Runs are filled up to a multiple of `run_unit` bytes, or of a chunk.
template <class V>
PanelShape panel_shape(const Conv2dSpec& spec, int64_t run_unit) {
  const bool nibbles = spec.kind == WeightKind::i4;
  const bool streamed = V::kStreams && spec.kind == WeightKind::i8 && spec.g.oh * spec.g.ow < kFewPixels;
  const int64_t steps = nibbles ? V::Nibbles::kSteps : V::Bytes::kSteps;
  return {.pair_channels = 2 * V::kLanes,
          .panel_pairs = V::kPanelPairs,
          .head_bytes = sizeof(PairHead<V>),
          .chunk_bytes = 2 * (nibbles    ? V::Nibbles::kBytes
                              : streamed ? V::Streamed::kBytes
                                         : V::Bytes::kBytes),
          .steps = steps,
          .rounds = spec.kind == WeightKind::i16 && V::kTwoRounds ? 2 : 1,
          .run_unit = std::max(run_unit, 4 * steps),
          .streamed = streamed};
}

template <class V>
struct Packer {
  const Conv2dSpec& spec;
  const Plan& plan;
  std::vector<int16_t> row, half;

  Packer(const Conv2dSpec& s, const Plan& p)
      : spec(s),
        plan(p),
        row(static_cast<size_t>(plan.kernel_rows * plan.taps * plan.run)),
        half(row.size()) {}

  // One round of one output channel: its lane of every chunk.
  template <class Form>
  void put(const int16_t* from, uint8_t* w, int64_t chunk_bytes, int lane, int offset) const {
    for (int64_t r = 0; r < plan.kernel_rows * plan.taps; ++r, from += plan.run) {
      int64_t i = 0;
      for (int64_t chunk = 0; chunk < plan.chunks; ++chunk, w += chunk_bytes) {
        for (int step = 0; step < Form::kSteps; ++step, i += 4) {
          int16_t four[4] = {};
          if (i + 4 <= plan.run)
            std::memcpy(four, from + i, sizeof(four));
          else
            for (int64_t j = i; j < plan.run; ++j) four[j - i] = from[j];
          Form::put(w, lane, step, four, offset);
        }
      }
    }
  }

  // Output channel `oc`, the c-th of a panel of `pairs` pairs.
  void channel(int64_t oc, int64_t c, int64_t pairs, uint8_t* panel) {
    constexpr int L = V::kLanes;
    const PairLane<V> at(static_cast<int>(c % (2 * L)));
    const int64_t pair = c / (2 * L), vector = 2 * pair + at.vector;
    PairHead<V>& head = reinterpret_cast<PairHead<V>*>(panel)[pair];
    spec.weight->read(oc, row.data());

    uint32_t sum = 0;
    for (const int16_t w : row) sum += static_cast<uint32_t>(w);
    head.bias[at.vector * L + at.lane] =
        static_cast<uint32_t>(spec.bias[oc]) - static_cast<uint32_t>(spec.x_zero_point) * sum;
    if (spec.requant != nullptr) head.scales.set(at.vector, at.lane, *spec.requant, oc);

    uint8_t* weights = panel + pairs * sizeof(PairHead<V>);
    if (plan.kind == WeightKind::i4) {
      using Form = typename V::Nibbles;
      const int offset = spec.offset[oc];
      std::fill_n(head.offset + 4 * (at.vector * L + at.lane), 4, static_cast<int8_t>(offset));
      put<Form>(row.data(), weights + vector * Form::kBytes, 2 * pairs * Form::kBytes, at.lane, offset);
      return;
    }
    if (plan.streamed) {
      using Form = typename V::Streamed;
      return put<Form>(row.data(), weights + vector * Form::kBytes, 2 * pairs * Form::kBytes, at.lane, 0);
    }
    using Form = typename V::Bytes;
    const int64_t chunk = 2 * pairs * Form::kBytes;
    weights += vector * Form::kBytes;
    if (plan.kind == WeightKind::i16 && V::kTwoRounds) {
      std::transform(row.begin(), row.end(), half.begin(),
                     [](int16_t w) { return static_cast<int16_t>(w >> 1); });
      put<Form>(half.data(), weights, chunk, at.lane, 0);
      std::transform(row.begin(), row.end(), row.begin(),
                     [](int16_t w) { return static_cast<int16_t>(w & 1); });
      weights += plan.kernel_rows * plan.taps * plan.chunks * chunk;
    }
    put<Form>(row.data(), weights, chunk, at.lane, 0);
  }

  void all(uint8_t* to) {
    int64_t oc = 0;
    for (int64_t group = 0; group < plan.groups; ++group) {
      for (int64_t p = 0; p < plan.panels; ++p) {
        const bool last = p + 1 == plan.panels;
        const int64_t first = p * plan.panel_channels;
        const int64_t n = std::min(plan.panel_channels, plan.group_oc - first);
        for (int64_t c = 0; c < n; ++c, ++oc) channel(oc, c, last ? plan.last_pairs : V::kPanelPairs, to);
        to += last ? plan.last_bytes : plan.panel_bytes;
      }
    }
  }
};

template <class V>
size_t conv2d_packed_size(const Conv2dSpec& spec, int64_t run_unit = 0) {
  return Plan(MergedGroups(spec, 2 * V::kLanes).spec(), panel_shape<V>(spec, run_unit)).packed_size();
}

/// Missing lanes and ends of runs are zeros.
template <class V>
void conv2d_pack(const Conv2dSpec& spec, void* packed, int64_t run_unit = 0) {
  const MergedGroups merged(spec, 2 * V::kLanes);
  const Plan plan(merged.spec(), panel_shape<V>(spec, run_unit));
  std::memset(packed, 0, plan.packed_size());
  std::memcpy(packed, &plan, sizeof(plan));
  Packer<V>(merged.spec(), plan).all(static_cast<uint8_t*>(packed) + sizeof(Plan));
}

}  // namespace icepoint::wide
