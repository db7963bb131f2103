// Opening a model for a sub-command.
#include "replay/session.h"

#include <CLI/CLI.hpp>

#include "core/check.h"
#include "format/reader.h"
#include "kernels/select.h"
#include "runtime/answers.h"
#include "runtime/threads.h"

namespace icepoint {

void Common::add_to(CLI::App& command) {
  command.add_option("model", model, "Frozen model, as written by freeze().save(\"model.ice\")")->required();
  command.add_option("--threads", threads, "Threads (default: ICEPOINT_THREADS, else all CPUs)")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  command
      .add_option("--isa", isa,
                  "Instruction set, as `icepoint verify` lists them\n(default: ICEPOINT_ISA, else the best)")
      ->type_name("NAME");
  command.add_flag("--json", json, "Print JSON instead of tables");
}

const Kernels& Common::apply() const {
  if (threads > 0) set_num_threads(threads);
  return isa.empty() ? kernels() : kernels(isa);
}

Session::Session(const Common& common, Model::Keep keep)
    : model_(std::make_shared<ModelFile>(load_model(common.model)), common.apply(), keep) {
  if (recipe().channels > 0) pictures_.emplace(file());
}

const ValueInfo& Session::output(size_t i) const {
  return file().output(i);
}

std::vector<float> Session::behind_function(const float* reals, int64_t n) const {
  const Shape& shape = output(0).shape;
  const OutputFunction f = file().output_function(0);
  std::vector<float> values(static_cast<size_t>(n * model_.real_count(0)));
  apply(f, shape, dense_reals(reals, shape), 0, n * lines_of(f, shape), values.data());
  return values;
}

size_t Session::outputs_of(int64_t n) const {
  constexpr int64_t kMost = int64_t{1} << 30;
  const int64_t each = model_.output_count(0);
  require(n <= kMost / each, "the outputs of ", n, " samples are more than ", kMost, " numbers");
  return static_cast<size_t>(n * each);
}

void Session::require_one_input(const std::string& who) const {
  const size_t inputs = file().graph.inputs.size();
  require(inputs == 1, who, ": the model has ", inputs, " inputs, expected one");
}

void Session::require_single(const std::string& who) const {
  const Graph& g = file().graph;
  require(g.inputs.size() == 1 && g.outputs.size() == 1, who, ": the model has ", g.inputs.size(),
          " inputs and ", g.outputs.size(), " outputs, expected one of each");
}

const PictureInput& Session::pictures() const {
  if (!pictures_) PictureInput{file()};  // which throws, and says why
  return *pictures_;
}

std::string Session::class_name(int64_t i) const {
  return icepoint::class_name(recipe(), i);
}

}  // namespace icepoint
