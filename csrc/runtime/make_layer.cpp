// One branch an operator: extents, weights, multipliers and maps for the factories of layers.h.
#include "runtime/make_layer.h"

#include "runtime/cost.h"
#include "runtime/plan.h"
#include "runtime/weight_rows.h"

namespace icepoint {
namespace {

template <class Op>
Window window_of(const Op& op) {
  Window w{op.kernel_size, op.stride, op.padding, {1, 1}};
  if constexpr (requires { op.dilation; }) w.dilation = op.dilation;
  return w;
}

std::span<const int32_t> optional_i32(const Tensor& t) {
  return t ? t.as<int32_t>() : std::span<const int32_t>();
}

/// Storage axis (0 h, 1 w, 2 c) of a logical axis: (c, h, w) lies as (h, w, c), (t, f) and (f) as they are.
int storage_axis(int64_t axis, size_t rank) {
  if (rank == 3) return axis == 0 ? 2 : static_cast<int>(axis) - 1;
  return static_cast<int>(axis + 3 - static_cast<int64_t>(rank));
}

/// Builds the layer of one node.
class Maker {
 public:
  Maker(const Kernels& kernels, const Graph& graph, const Proof& proof, const Plan& plan,
        const std::vector<CodeRange>& ranges, int64_t node)
      : k_(kernels),
        graph_(graph),
        proof_(proof),
        plan_(plan),
        ranges_(ranges),
        index_(node),
        node_(graph.nodes[node]),
        range_(ranges[node]),
        y_(value_of(node)) {
    for (int64_t v : node_.inputs) xs_.push_back(&proof.values[v]);
  }

  LayerPtr make() { return std::visit(*this, node_.op); }

  LayerPtr operator()(const QConv2d& op) const {
    const Shape shape = weight_shape(op, x().shape);
    const GraphRows rows(op.weights, shape, shape[1], shape[2] * shape[3]);
    return make_qconv2d(k_, extent(), window_of(op), op.groups, op.out_channels, x().q.zero_point,
                        rows.source(), codes_or_accumulators(op.weights), fusion());
  }
  LayerPtr operator()(const QConvTranspose2d& op) const {
    const WidenedWeights w = widen(op.weights, weight_shape(op, x().shape));
    return make_qconv_transpose2d(k_, extent(), extent_of(y_.shape), window_of(op), op.groups,
                                  x().q.zero_point, span(op.weights, w), requant(op.weights));
  }
  LayerPtr operator()(const QLinear& op) const {
    const Shape shape = weight_shape(op, x().shape);
    // Flattened in place: the features lie as the map's pixels do.
    const Extent& map = plan_.flattened[node_.inputs[0]];
    const GraphRows rows = map.c > 0 ? GraphRows(op.weights, shape, map.c, map.h * map.w)
                                     : GraphRows(op.weights, shape, shape[1], 1);
    return make_qlinear(k_, extent(), op.out_features, x().q.zero_point, rows.source(),
                        codes_or_accumulators(op.weights));
  }
  LayerPtr operator()(const QAffine& op) const {
    return make_qaffine(k_, extent(), x().q.zero_point, op.multiplier.as<int32_t>(), op.offset.as<int32_t>(),
                        op.shift.as<int32_t>(), out());
  }
  LayerPtr operator()(const Clamp&) const {
    return make_clamp(k_, extent(), static_cast<int32_t>(range_.lo), static_cast<int32_t>(range_.hi));
  }
  LayerPtr operator()(const Lookup& op) const { return make_lookup(k_, extent(), op.table.as<uint8_t>()); }
  LayerPtr operator()(const QMaxPool2d& op) const {
    return make_qmax_pool2d(k_, extent(), window_of(op), op.ceil_mode);
  }
  LayerPtr operator()(const QAvgPool2d& op) const {
    return make_qavg_pool2d(k_, extent(), window_of(op), op.ceil_mode, op.count_include_pad,
                            op.divisor_override, x().q.zero_point, divisors(op));
  }
  LayerPtr operator()(const QAdaptiveAvgPool2d& op) const {
    return make_qadaptive_avg_pool2d(k_, extent(), op.output_size, x().q.zero_point, divisors(op));
  }
  LayerPtr operator()(const QAdd& op) const {
    return make_qadd(k_, extent(0), extent(1), x(0).q.zero_point, static_cast<int32_t>(op.a_multiplier),
                     x(1).q.zero_point, static_cast<int32_t>(op.b_multiplier), static_cast<int32_t>(op.shift),
                     out());
  }
  LayerPtr operator()(const QMul& op) const {
    return make_qmul(k_, extent(0), extent(1), x(0).q.zero_point, x(1).q.zero_point,
                     static_cast<int32_t>(op.multiplier), static_cast<int32_t>(op.shift), out());
  }
  LayerPtr operator()(const QConcat& op) const {
    const auto file_multiplier = op.multiplier.as<int32_t>(), file_shift = op.shift.as<int32_t>();
    std::vector<int32_t> multiplier(file_multiplier.begin(), file_multiplier.end());
    std::vector<int32_t> shift(file_shift.begin(), file_shift.end()), zero_points;
    std::vector<Extent> extents;
    std::vector<bool> identity;
    const bool narrowed = range_ != CodeRange{op.lo, op.hi};
    for (size_t i = 0; i < xs_.size(); ++i) {
      extents.push_back(extent(i));
      zero_points.push_back(x(i).q.zero_point);
      const bool moves = x(i).q == y_.q && op.lo == 0 && op.hi == y_.q.qmax();
      // A fused clamp still has to touch bytes that moved unchanged: 2^30 * 2^-30 is the factor 1.
      if (moves && narrowed) multiplier[i] = 1 << 30, shift[i] = 30;
      identity.push_back(moves && !narrowed);
    }
    return make_qconcat(k_, extents, storage_axis(op.axis, y_.shape.size()), zero_points, multiplier, shift,
                        identity, out(), plan_.moved[index_]);
  }
  LayerPtr operator()(const Slice& op) const {
    MoveMaps maps = identity_maps();
    const int64_t count = (op.stop - op.start + op.step - 1) / op.step;
    axis_map(maps, storage_axis(op.axis, x().shape.size())) = slice_map(op.start, count, op.step);
    return make_move(extent(), std::move(maps), 0);
  }
  LayerPtr operator()(const PermuteChannels& op) const {
    MoveMaps maps = identity_maps();
    const auto order = op.order.as<int32_t>();
    maps.channels.assign(order.begin(), order.end());
    return make_move(extent(), std::move(maps), 0);
  }
  LayerPtr operator()(const Reshape&) const {
    return make_reshape(extent(), x().shape.size() == 3, extent_of(y_.shape), y_.shape.size() == 3);
  }
  LayerPtr operator()(const Pad& op) const {
    const PadMode mode = op.mode == "constant"  ? PadMode::constant
                         : op.mode == "reflect" ? PadMode::reflect
                                                : PadMode::replicate;
    const Extent e = extent();
    return make_move(
        e,
        {pad_map(e.h, op.padding[0], op.padding[2], mode), pad_map(e.w, op.padding[1], op.padding[3], mode),
         pad_map(e.c, op.channels[0], op.channels[1], PadMode::constant)},
        static_cast<uint8_t>(op.value));
  }
  LayerPtr operator()(const UpsampleNearest& op) const {
    MoveMaps maps = identity_maps();
    maps.rows = nearest_map(extent().h, op.output_size[0]);
    maps.cols = nearest_map(extent().w, op.output_size[1]);
    return make_move(extent(), std::move(maps), 0);
  }
  LayerPtr operator()(const UpsampleBilinear& op) const {
    return make_upsample_bilinear(k_, extent(), op.output_size, op.align_corners);
  }

 private:
  const ValueInfo& x(size_t i = 0) const { return *xs_[i]; }
  Extent extent(size_t i = 0) const { return extent_of(x(i).shape); }
  OutputRange out() const {
    return {y_.q.zero_point, static_cast<int32_t>(range_.lo), static_cast<int32_t>(range_.hi)};
  }
  WeightSpan span(const Weights& w, const WidenedWeights& widened) const {
    return {widened.codes, widened.zero_point, optional_i32(w.bias)};
  }
  ChannelRequant requant(const Weights& w) const {
    return {w.multiplier.as<int32_t>(), w.shift.as<int32_t>(), out()};
  }
  std::optional<ChannelRequant> codes_or_accumulators(const Weights& w) const {
    if (plan_.accumulators[std::ssize(graph_.inputs) + index_]) return std::nullopt;
    return requant(w);
  }
  template <class Pool>
  DivisorRequant divisors(const Pool& op) const {
    return {op.divisors.template as<int32_t>(), op.multiplier.template as<int32_t>(),
            op.shift.template as<int32_t>(), out()};
  }
  MoveMaps identity_maps() const {
    const Extent e = extent();
    return {slice_map(0, e.h, 1), slice_map(0, e.w, 1), slice_map(0, e.c, 1)};
  }
  static std::vector<int32_t>& axis_map(MoveMaps& maps, int axis) {
    return axis == 0 ? maps.rows : axis == 1 ? maps.cols : maps.channels;
  }

  const ValueInfo& value_of(int64_t node) const { return proof_.values[graph_.inputs.size() + node]; }

  /// What the plan put into this convolution's epilogue.
  ConvFusion fusion() const {
    ConvFusion fusion;
    fusion.x_pixel = plan_.places[node_.inputs[0]].pixel;
    const int64_t guest = plan_.guest[index_];
    if (guest < 0) return fusion;
    const auto* add = std::get_if<QAdd>(&graph_.nodes[guest].op);
    fusion.max_pool = add == nullptr;
    if (add == nullptr) return fusion;
    const auto& inputs = graph_.nodes[guest].inputs;
    // The convolution's value, and the clamps' fused into it, lie where the sum lies.
    const bool first = plan_.root[inputs[0]] == plan_.root[graph_.inputs.size() + guest];
    const auto a = static_cast<int32_t>(add->a_multiplier), b = static_cast<int32_t>(add->b_multiplier);
    const CodeRange& range = ranges_[guest];
    fusion.residual = Residual{.q_multiplier = first ? a : b,
                               .x_zero_point = proof_.values[inputs[first ? 1 : 0]].q.zero_point,
                               .x_multiplier = first ? b : a,
                               .shift = static_cast<int32_t>(add->shift),
                               .y_zero_point = value_of(guest).q.zero_point,
                               .lo = static_cast<int32_t>(range.lo),
                               .hi = static_cast<int32_t>(range.hi)};
    return fusion;
  }

  const Kernels& k_;
  const Graph& graph_;
  const Proof& proof_;
  const Plan& plan_;
  const std::vector<CodeRange>& ranges_;
  const int64_t index_;
  const Node& node_;
  const CodeRange range_;
  const ValueInfo& y_;
  std::vector<const ValueInfo*> xs_;
};

}  // namespace

CodeRange range_of(const Op& op) {
  return std::visit(
      [](const auto& o) -> CodeRange {
        if constexpr (requires { o.lo; })
          return {o.lo, o.hi};
        else
          return {};
      },
      op);
}

std::vector<CodeRange> fused_ranges(const Graph& graph, const Plan& plan) {
  std::vector<CodeRange> ranges;
  for (const Node& node : graph.nodes) ranges.push_back(range_of(node.op));
  for (int64_t i = 0; i < std::ssize(graph.nodes); ++i)
    if (plan.narrows[i] >= 0) {
      CodeRange& target = ranges[plan.narrows[i]];
      target = target.followed_by(ranges[i]);
    }
  return ranges;
}

LayerPtr make_layer(const Kernels& kernels, const Graph& graph, const Proof& proof, const Plan& plan,
                    const std::vector<CodeRange>& ranges, int64_t node) {
  return Maker(kernels, graph, proof, plan, ranges, node).make();
}

}  // namespace icepoint
