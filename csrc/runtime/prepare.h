// From a proved graph to layers ready to run: the plan, and each node's weights packed for one CPU.
#pragma once

#include <memory>
#include <vector>

#include "format/file.h"
#include "kernels/kernels.h"
#include "layers/layer.h"
#include "runtime/plan.h"

namespace icepoint {

/// One node that does something, and the guests that it does it for.
struct Step {
  int64_t node = 0;
  std::shared_ptr<const Layer> layer;
  std::vector<int64_t> inputs;  // values
  int64_t y = 0;                // value
  int64_t work = 1;             // rough operations of one image
};

struct Program {
  Plan plan;
  std::vector<Step> steps;  // in the order of the nodes that run
  int64_t bytes() const;    // packed weights and tables held
};

/// Prepares every node of `file`, whose proof is filled. With `keep_all` nothing is fused.
Program prepare(const ModelFile& file, const Kernels& kernels, bool keep_all = false);

}  // namespace icepoint
