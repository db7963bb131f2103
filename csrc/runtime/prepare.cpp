// Plan, then one layer for each node that is not another node's work.
#include "runtime/prepare.h"

#include "runtime/cost.h"
#include "runtime/make_layer.h"

namespace icepoint {
namespace {

/// The range of every node with the clamps that the plan fused into it.
std::vector<CodeRange> fused_ranges(const Graph& graph, const Plan& plan) {
  const auto inputs = static_cast<int64_t>(graph.inputs.size());
  std::vector<CodeRange> ranges;
  for (const Node& node : graph.nodes) ranges.push_back(range_of(node.op));
  for (int64_t i = 0; i < std::ssize(graph.nodes); ++i)
    if (plan.skipped[i] && std::holds_alternative<Clamp>(graph.nodes[i].op)) {
      CodeRange& target = ranges[plan.root[inputs + i] - inputs];
      target = target.followed_by(ranges[i]);
    }
  return ranges;
}

}  // namespace

int64_t Program::bytes() const {
  int64_t total = 0;
  for (const Step& step : steps) total += step.layer->bytes();
  return total;
}

Program prepare(const ModelFile& file, const Kernels& kernels, bool keep_all, const Program* shared) {
  const Graph& graph = file.graph;
  Program program{make_plan(graph, file.proof, keep_all), {}};
  const std::vector<CodeRange> ranges = fused_ranges(graph, program.plan);
  std::vector<std::shared_ptr<const Layer>> known(graph.nodes.size());
  if (shared) {
    const std::vector<CodeRange> theirs = fused_ranges(graph, shared->plan);
    for (const Step& step : shared->steps)
      if (theirs[step.node] == ranges[step.node]) known[step.node] = step.layer;
  }
  for (int64_t i = 0; i < std::ssize(graph.nodes); ++i) {
    if (program.plan.skipped[i]) continue;
    if (!known[i]) known[i] = make_layer(kernels, graph, file.proof, i, ranges[i]);
    program.steps.push_back({i, known[i], graph.nodes[i].inputs,
                             static_cast<int64_t>(graph.inputs.size()) + i,
                             cost_of(graph, file.proof, i).work});
  }
  return program;
}

}  // namespace icepoint
