// Plan, then one layer for each node that is not another node's work.
#include "runtime/prepare.h"

#include "runtime/accumulators.h"
#include "runtime/cost.h"
#include "runtime/make_layer.h"

namespace icepoint {

int64_t Program::bytes() const {
  int64_t total = 0;
  for (const Step& step : steps) total += step.layer->bytes();
  return total;
}

Program prepare(const ModelFile& file, const Kernels& kernels, bool keep_all) {
  const Graph& graph = file.graph;
  const auto first = static_cast<int64_t>(graph.inputs.size());
  Program program{make_plan(graph, file.proof, keep_all, lie_as_accumulators(file)), {}};
  const Plan& plan = program.plan;
  const std::vector<CodeRange> ranges = fused_ranges(graph, plan);
  for (int64_t i = 0; i < std::ssize(graph.nodes); ++i) {
    if (!plan.runs(i)) continue;
    Step step{i, make_layer(kernels, graph, file.proof, plan, ranges, i), graph.nodes[i].inputs, first + i,
              cost_of(graph, file.proof, i).work};
    if (const int64_t guest = plan.guest[i]; guest >= 0) {
      step.y = first + guest;
      // Of the sum's operands, the one that is not this convolution's own value.
      for (int64_t v : graph.nodes[guest].inputs)
        if (plan.root[v] != plan.root[step.y]) step.inputs.push_back(v);
    }
    program.steps.push_back(std::move(step));
  }
  return program;
}

}  // namespace icepoint
