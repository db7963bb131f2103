// A frozen file in memory: the graph, its recipes for input and output, its self-check and what made it.
#pragma once

#include <map>
#include <stdexcept>

#include "core/output_function.h"
#include "graph/graph.h"
#include "graph/validate.h"
#include "image/resize.h"

namespace icepoint {

/// A file that is malformed, was changed, or is from a newer icepoint.
class ModelFileError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// From 8-bit pixels to codes: quantize((float32(p) / float32(divide) - mean[c]) / std[c]), of a picture that
/// has been brought to height x width by `resize`.
struct Recipe {
  int64_t channels = 0, height = 0, width = 0;  // channels 0: the model has no image input
  int64_t divide = 255;                         // 255 or 1
  std::vector<float> mean, std;                 // (channels); std > 0
  std::vector<std::string> classes;             // names of the outputs, or empty
  Resize resize;                                // none: only pictures of this very size are taken
};

/// Inputs and the SHA-256 of what they must give, in lower-case hex.
struct SelfCheck {
  std::vector<Tensor> inputs;       // codes, U8, (k, ...) one for each graph input; k in 1..16
  std::string outputs;              // of all output codes, output by output, in logical order
  std::vector<std::string> values;  // of each node's output codes: names the first layer that differs
};

struct ModelFile {
  Graph graph;
  Recipe recipe;
  std::vector<OutputFunction> output_recipe;  // one an output; empty: no output has a function
  SelfCheck self_check;
  std::map<std::string, std::string> made_by;  // "icepoint": "0.1.0", ...; shown by inspect
  Proof proof;                                 // filled by read_model; write_model makes its own
  std::string digest;                          // 64 hex digits, filled by read_model
  int64_t file_bytes = 0;

  /// Shape and qparams of output i's codes.
  const ValueInfo& output(size_t i) const { return proof.values[static_cast<size_t>(graph.outputs[i])]; }
  /// The function of output i, which may be none.
  OutputFunction output_function(size_t i) const {
    return output_recipe.empty() ? OutputFunction{} : output_recipe[i];
  }
};

}  // namespace icepoint
