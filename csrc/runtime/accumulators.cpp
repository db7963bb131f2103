// A layer's own multiplier, shift and scales, widened to one a channel.
#include "runtime/accumulators.h"

#include "core/requantize.h"
#include "format/recipes.h"

namespace icepoint {
namespace {

/// Of channel c: the real that an accumulator of 1 stands for.
std::vector<double> scales_of(const Weights& weights, int64_t channels, double x_scale) {
  const auto w = weights.weight_scale.as<float>();
  std::vector<double> scales;
  for (int64_t c = 0; c < channels; ++c) scales.push_back(x_scale * w[w.size() == 1 ? 0 : c]);
  return scales;
}

}  // namespace

std::vector<bool> lie_as_accumulators(const ModelFile& file) {
  std::vector<bool> lie(static_cast<size_t>(file.graph.value_count()));
  for (size_t i = 0; i < file.output_recipe.size(); ++i)
    if (file.output_recipe[i].accumulators) lie[static_cast<size_t>(file.graph.outputs[i])] = true;
  return lie;
}

Accumulators Accumulators::of(const ModelFile& file, int64_t value) {
  const std::vector<ValueInfo>& values = file.proof.values;
  const Node& node = file.graph.nodes[static_cast<size_t>(value) - file.graph.inputs.size()];
  const auto [weights, channels, lo, hi] = *layer_with_accumulators(node);
  const OutputRange range{values[static_cast<size_t>(value)].q.zero_point, static_cast<int32_t>(lo),
                          static_cast<int32_t>(hi)};
  const double x_scale = values[static_cast<size_t>(node.inputs[0])].q.scale;
  const ChannelRequant requant{weights->multiplier.as<int32_t>(), weights->shift.as<int32_t>(), range};
  return {scales_of(*weights, channels, x_scale), StoredRequant(requant, channels)};
}

void Accumulators::codes(const int32_t* acc, uint8_t* y, int64_t step) const {
  const Requant q = requant_.view();
  for (size_t c = 0; c < scales_.size(); ++c, y += step)
    *y =
        static_cast<uint8_t>(requantize_clamp(acc[c], q.multiplier[c], q.shift[c], q.zero_point, q.lo, q.hi));
}

void Accumulators::reals(const int32_t* acc, float* y, int64_t step) const {
  const double* const scales = scales_.data();
  const size_t channels = scales_.size();
  if (step == 1)  // of a vector, as most outputs are: several at a time
    for (size_t c = 0; c < channels; ++c) y[c] = static_cast<float>(acc[c] * scales[c]);
  else
    for (size_t c = 0; c < channels; ++c)
      y[static_cast<int64_t>(c) * step] = static_cast<float>(acc[c] * scales[c]);
}

}  // namespace icepoint
