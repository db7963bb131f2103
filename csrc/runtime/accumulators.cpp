// A layer's own multiplier, shift and scales, widened to one a channel.
#include "runtime/accumulators.h"

#include "core/requantize.h"
#include "format/recipes.h"

namespace icepoint {
namespace {

const Node& node_of(const ModelFile& file, int64_t value) {
  return file.graph.nodes[static_cast<size_t>(value) - file.graph.inputs.size()];
}

std::vector<double> scales_of(const ModelFile& file, int64_t value, int64_t channels) {
  const Node& node = node_of(file, value);
  const double x = file.proof.values[static_cast<size_t>(node.inputs[0])].q.scale;
  const auto w = layer_with_accumulators(node)->weights->weight_scale.as<float>();
  std::vector<double> scales;
  for (int64_t c = 0; c < channels; ++c) scales.push_back(x * w[w.size() == 1 ? 0 : c]);
  return scales;
}

StoredRequant requant_of(const ModelFile& file, int64_t value, int64_t channels) {
  const AccumulatingLayer layer = *layer_with_accumulators(node_of(file, value));
  const OutputRange range{file.proof.values[static_cast<size_t>(value)].q.zero_point,
                          static_cast<int32_t>(layer.lo), static_cast<int32_t>(layer.hi)};
  return {{layer.weights->multiplier.as<int32_t>(), layer.weights->shift.as<int32_t>(), range}, channels};
}

int64_t channels_of(const ModelFile& file, int64_t value) {
  return layer_with_accumulators(node_of(file, value))->channels;
}

}  // namespace

std::vector<bool> lie_as_accumulators(const ModelFile& file) {
  std::vector<bool> lie(static_cast<size_t>(file.graph.value_count()));
  for (size_t i = 0; i < file.output_recipe.size(); ++i)
    if (file.output_recipe[i].accumulators) lie[static_cast<size_t>(file.graph.outputs[i])] = true;
  return lie;
}

Accumulators::Accumulators(const ModelFile& file, int64_t value)
    : scales_(scales_of(file, value, channels_of(file, value))),
      requant_(requant_of(file, value, channels_of(file, value))) {}

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
