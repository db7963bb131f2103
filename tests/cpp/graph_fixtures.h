// Graphs and models that the tests of graph, format and runtime share: small, seeded, every operator.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/multiplier.h"
#include "format/file.h"
#include "graph/graph.h"
#include "graph/validate.h"

namespace icepoint::testing {

inline std::vector<int32_t> random_codes(int64_t count, int32_t lo, int32_t hi, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> codes(static_cast<size_t>(count));
  // Not uniform_int_distribution: its numbers differ between standard libraries.
  for (int32_t& c : codes) c = lo + static_cast<int32_t>(random() % static_cast<uint32_t>(hi - lo + 1));
  return codes;
}

inline Tensor i32(const std::vector<int32_t>& values) {
  return make_tensor(values, {static_cast<int64_t>(values.size())});
}

/// The codes as the file stores them; `shape` is the operator's own.
inline Tensor store_codes(const std::vector<int32_t>& codes, const Shape& shape, int bits, bool affine) {
  const int64_t row = static_cast<int64_t>(codes.size()) / shape[0];
  if (bits < 8) return make_tensor(pack_codes(codes, row, bits), {shape[0], (row * bits + 7) / 8});
  if (affine) return make_tensor(std::vector<uint8_t>(codes.begin(), codes.end()), shape);
  return make_tensor(std::vector<int8_t>(codes.begin(), codes.end()), shape);
}

struct WeightOptions {
  int bits = 8;
  bool affine = false;
  bool per_channel = true;
  bool bias = true;
  uint32_t seed = 1;
};

inline Weights random_weights(const Shape& shape, int64_t oc, const WeightOptions& o) {
  Weights w;
  w.bits = o.bits;
  w.affine = o.affine;
  const int32_t top = (1 << (o.bits - 1)) - 1, qmax = (1 << o.bits) - 1;
  const auto codes = random_codes(numel(shape).value(), o.affine ? 0 : -top, o.affine ? qmax : top, o.seed);
  w.weight = store_codes(codes, shape, o.bits, o.affine);
  const int64_t channels = o.per_channel ? oc : 1;
  w.weight_scale = make_tensor(std::vector<float>(static_cast<size_t>(channels), 0.015625f), {channels});
  if (o.affine) w.weight_zero_point = i32(random_codes(channels, 0, qmax, o.seed + 1));
  if (o.bias) w.bias = i32(random_codes(oc, -1000, 1000, o.seed + 2));
  std::vector<int32_t> multiplier, shift;
  for (int64_t c = 0; c < channels; ++c) {
    const Multiplier m = quantize_multiplier(0.001 * static_cast<double>(c + 1));
    multiplier.push_back(m.multiplier);
    shift.push_back(m.shift);
  }
  w.multiplier = i32(multiplier);
  w.shift = i32(shift);
  return w;
}

template <class T>
T& op_at(Graph& graph, size_t node) {
  return std::get<T>(graph.nodes[node].op);
}

/// Two inputs, two outputs, and every operator once; node i is named as op_at's index in the list below.
inline Graph every_operator() {
  Graph g;
  g.inputs = {{"image", {3, 8, 8}, {0.0078125f, 128, 8}}, {"gate", {6, 1, 1}, {0.00390625f, 0, 8}}};
  const QParams y{0.05f, 120, 8};
  const auto add = [&](const std::string& name, Op op, std::vector<int64_t> inputs, bool with_qparams) {
    g.nodes.push_back(
        {name, std::move(op), std::move(inputs), with_qparams ? std::optional(y) : std::nullopt});
    return g.value_count() - 1;
  };
  const auto multipliers = [](auto& op, size_t n) {
    op.multiplier = i32(std::vector<int32_t>(n, 1 << 30));
    op.shift = i32(std::vector<int32_t>(n, 32));
  };

  QConv2d conv;  // 0
  conv.kernel_size = {3, 3};
  conv.padding = {1, 1, 1, 1};
  conv.groups = 3;
  conv.out_channels = 6;
  conv.weights = random_weights({6, 1, 3, 3}, 6, {.bits = 4, .seed = 10});
  const int64_t v2 = add("features.0", conv, {0}, true);
  const int64_t v3 = add("relu", Clamp{.lo = 120, .hi = 255}, {v2}, false);  // 1
  Lookup lookup{.function = "sigmoid", .table = {}};                         // 2
  const auto codes = random_codes(6 * 256, 0, 255, 11);
  lookup.table = make_tensor(std::vector<uint8_t>(codes.begin(), codes.end()), {6, 256});
  const int64_t v4 = add("act", lookup, {v3}, true);
  const int64_t v5 = add("scaled", QMul{.multiplier = 1 << 30, .shift = 31}, {v3, 1}, true);  // 3
  const QAdd sum{.a_multiplier = 1 << 20, .b_multiplier = -(1 << 20), .shift = 20};
  const int64_t v6 = add("difference", sum, {v4, v5}, true);  // 4
  QMaxPool2d max_pool;                                        // 5
  max_pool.kernel_size = max_pool.stride = {2, 2};
  const int64_t v7 = add("maxpool", max_pool, {v6}, false);
  QAvgPool2d avg_pool;  // 6
  avg_pool.kernel_size = {3, 3};
  avg_pool.padding = {1, 1, 1, 1};
  avg_pool.count_include_pad = false;
  avg_pool.divisors = i32({4, 6, 9});
  multipliers(avg_pool, 3);
  const int64_t v8 = add("avgpool", avg_pool, {v7}, true);
  QConcat concat;  // 7
  multipliers(concat, 2);
  const int64_t v9 = add("cat", concat, {v7, v8}, true);
  PermuteChannels permute{i32({0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11})};  // 8
  const int64_t v10 = add("shuffle", permute, {v9}, false);
  const int64_t v11 = add("odd", Slice{.axis = 0, .start = 1, .stop = 12, .step = 2}, {v10}, false);  // 9
  QConvTranspose2d up;                                                                                // 10
  up.kernel_size = {3, 3};
  up.stride = {2, 2};
  up.padding = {1, 1, 1, 1};
  up.output_padding = {1, 1};
  up.groups = 2;
  up.out_channels = 4;
  up.weights =
      random_weights({6, 2, 3, 3}, 4, {.affine = true, .per_channel = false, .bias = false, .seed = 12});
  const int64_t v12 = add("up", up, {v11}, true);
  const int64_t v13 = add("pad", Pad{.mode = "reflect", .padding = {1, 1, 1, 1}}, {v12}, false);  // 11
  const int64_t v14 = add("nearest", UpsampleNearest{{5, 5}}, {v13}, false);                      // 12
  const int64_t v15 = add("bilinear", UpsampleBilinear{{7, 9}, true}, {v14}, false);              // 13
  QAdaptiveAvgPool2d adaptive;                                                                    // 14
  adaptive.output_size = {2, 2};
  adaptive.divisors = i32({20});
  multipliers(adaptive, 1);
  const int64_t v16 = add("pool", adaptive, {v15}, true);
  QAffine affine;  // 15
  affine.multiplier = i32({1 << 10, -(1 << 10), 0, 77});
  affine.offset = i32({0, 5, -1024, 1 << 20});
  affine.shift = i32({10, 10, 1, 12});
  const int64_t v17 = add("bn", affine, {v16}, true);
  const int64_t v18 = add("flatten", Reshape{{16}}, {v17}, false);  // 16
  QLinear linear;                                                   // 17
  linear.out_features = 5;
  linear.weights = random_weights({5, 16}, 5, {.bits = 3, .affine = true, .seed = 13});
  const int64_t v19 = add("fc", linear, {v18}, true);
  g.outputs = {v19, v4};
  return g;
}

/// A model around `graph`: inputs of zero points, and digests that stand for no real outputs.
inline ModelFile model_of(Graph graph) {
  ModelFile file;
  file.made_by = {{"icepoint", "0.1.0"}, {"note", "quotes \" and \\ and \u00e9"}};
  file.self_check.outputs = std::string(64, 'a');
  file.self_check.values.assign(graph.nodes.size(), std::string(64, '0'));
  for (const Input& input : graph.inputs) {
    Shape shape = input.shape;
    shape.insert(shape.begin(), 2);
    const auto count = static_cast<size_t>(numel(shape).value());
    const auto code = static_cast<uint8_t>(input.q.zero_point);
    file.self_check.inputs.push_back(make_tensor(std::vector<uint8_t>(count, code), shape));
  }
  file.graph = std::move(graph);
  return file;
}

/// A graph of one linear layer, (features) -> (rows of weights).
inline Graph linear_graph(const Weights& weights, int64_t features, int64_t out, const QParams& x) {
  Graph g;
  g.inputs = {{"x", {features}, x}};
  QLinear linear;
  linear.out_features = out;
  linear.weights = weights;
  g.nodes = {{"fc", linear, {0}, QParams{0.05f, 3, 8}}};
  g.outputs = {1};
  return g;
}

/// The message of the std::invalid_argument that `f` throws, or "accepted".
inline std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace icepoint::testing
