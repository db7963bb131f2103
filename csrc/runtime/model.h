// A frozen model, prepared for one instruction set and run: the executor's face.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "format/file.h"
#include "kernels/kernels.h"

namespace icepoint {

/// Immutable once built; run() may be called by many threads at once. Same bytes for every kernels
/// table, thread count and split of the batch.
///
///   auto file = std::make_shared<const ModelFile>(load_model("net.ice"));
///   const Model model(file, kernels());
///   std::vector<float> x(n * model.input_count(0)), y(n * model.real_count(0));  // (n, c, h, w), (n, f)
///   const float* inputs[] = {x.data()};
///   float* outputs[] = {y.data()};
///   model.run(inputs, n, outputs);
///
/// docs/embedding.md holds the whole program.
class Model {
 public:
  /// What stays in memory beside packed weights. `file`: the whole file, which trace() and verify() need.
  /// `running`: all but its weights and its self-check's inputs, for a process that runs the model alone.
  enum class Keep { file, running };

  /// Packs weights for `kernels`. Throws std::invalid_argument where the plan passes its memory cap, or the
  /// file was not proved (load_model and read_model prove it).
  Model(std::shared_ptr<const ModelFile>, const Kernels& kernels, Keep keep = Keep::file);
  ~Model();

  const ModelFile& file() const;
  const Kernels& isa() const;

  /// Elements of input i and codes of output i for one image; i is below file().graph.inputs.size() or
  /// outputs.size().
  int64_t input_count(size_t i) const;
  int64_t output_count(size_t i) const;
  /// What run() makes of output i: the shape behind the file's output function, without the batch, and its
  /// elements. The codes' own, but for argmax.
  Shape real_shape(size_t i) const;
  int64_t real_count(size_t i) const;

  /// float32 in and out: one pointer for each of the graph's inputs and outputs, in its order, each to
  /// n * input_count(i) or real_count(i) elements, dense in logical (torch) order: (n, c, h, w). An output
  /// with a function (core/output_function.h) holds its reals, argmax its indices. The caller owns both. n =
  /// 0 does nothing. Throws std::invalid_argument for another number of pointers, a null pointer or n < 0,
  /// and std::bad_alloc; no output is written then.
  void run(std::span<const float* const> inputs, int64_t n, std::span<float* const> outputs) const;
  /// uint8 codes in and out, n * output_count(i), otherwise as run(); functions are left to run(). Throws
  /// std::invalid_argument for a code above the input's 2^bits - 1 too.
  void run_codes(std::span<const uint8_t* const> inputs, int64_t n, std::span<uint8_t* const> outputs) const;
  /// Of float32 or codes the codes of every output, its reals before any function, (n, ...) of
  /// output_count(i), or both: an empty span asks for nothing. Otherwise as run() and run_codes().
  void run_both(std::span<const float* const> inputs, int64_t n, std::span<uint8_t* const> codes,
                std::span<float* const> reals) const;
  void run_both(std::span<const uint8_t* const> inputs, int64_t n, std::span<uint8_t* const> codes,
                std::span<float* const> reals) const;

  /// Calls see(value, codes) for every value of a batch of n in order, codes in logical order: for
  /// the self-check, reports and tests. Runs without fusions. Throws std::invalid_argument where the model
  /// was built to keep less than its file.
  void trace(std::span<const uint8_t* const> inputs, int64_t n,
             const std::function<void(int64_t value, std::span<const uint8_t>)>& see) const;

  /// Seconds spent in each node over `repeats` runs of a batch of n zeros: for bench --per-layer.
  std::vector<double> profile(int64_t n, int repeats) const;

  int64_t arena_bytes() const;   // peak activation memory of one image
  int64_t weight_bytes() const;  // packed weights and tables held
  int64_t work() const;          // rough operations of one image

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

/// Fills self_check.outputs and .values for the inputs given there, with the portable kernels.
void fill_self_check(ModelFile&);

/// Replays the self-check. Empty: passed. Otherwise one sentence naming the first layer that differs.
std::string verify(const Model&);

}  // namespace icepoint
