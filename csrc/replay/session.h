// What every sub-command starts from: its common options and the opened model.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "runtime/model.h"
#include "runtime/picture_input.h"

namespace CLI {
class App;
}

namespace icepoint {

/// Options that every sub-command takes.
struct Common {
  std::string model;  // path of the .ice file
  int threads = 0;    // 0: ICEPOINT_THREADS or all
  std::string isa;    // empty: ICEPOINT_ISA or the best
  bool json = false;

  void add_to(CLI::App& command);
  /// Sets the threads; returns the kernels that --isa asks for.
  const Kernels& apply() const;
};

/// An opened model, prepared for the chosen kernels.
class Session {
 public:
  explicit Session(const Common&, Model::Keep keep = Model::Keep::running);

  const Model& model() const { return model_; }
  const ModelFile& file() const { return model_.file(); }
  const Recipe& recipe() const { return file().recipe; }

  /// Logical shape and qparams of the codes of output i.
  const ValueInfo& output(size_t i) const;
  /// What the model's run() makes of n samples' reals before the function of output 0: n *
  /// model().real_count(0).
  std::vector<float> behind_function(const float* reals, int64_t n) const;
  /// Numbers in n samples of output 0; throws above 2^30 rather than filling the memory with codes and reals.
  size_t outputs_of(int64_t n) const;
  /// Requires one input, as samples from files have, and one output: `who` opens the message.
  void require_one_input(const std::string& who) const;
  void require_single(const std::string& who) const;
  /// From pictures to codes; throws where the model has no image input.
  const PictureInput& pictures() const;
  /// Name of class i: from the recipe, else the number.
  std::string class_name(int64_t i) const;

 private:
  Model model_;
  std::optional<PictureInput> pictures_;
};

}  // namespace icepoint
