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
class Model {
 public:
  /// Packs weights for `kernels`. Throws std::invalid_argument where the plan passes its memory cap.
  Model(std::shared_ptr<const ModelFile>, const Kernels& kernels);
  ~Model();

  const ModelFile& file() const;
  const Kernels& isa() const;

  /// Elements of input or output i for one image, in logical order.
  int64_t input_count(size_t i) const;
  int64_t output_count(size_t i) const;

  /// float32 in and out, each (n, ...) dense in logical (torch) order.
  void run(std::span<const float* const> inputs, int64_t n, std::span<float* const> outputs) const;
  /// uint8 codes in and out, in logical order.
  void run_codes(std::span<const uint8_t* const> inputs, int64_t n, std::span<uint8_t* const> outputs) const;
  /// float32 in, uint8 codes out.
  void quantize_run(std::span<const float* const> inputs, int64_t n, std::span<uint8_t* const> outputs) const;

  /// Calls see(value, codes) for every value of a batch of n in order, codes in logical order: for
  /// the self-check, reports and tests. Runs without fusions.
  void trace(std::span<const uint8_t* const> inputs, int64_t n,
             const std::function<void(int64_t value, std::span<const uint8_t>)>& see) const;

  /// Seconds spent in each node over `repeats` runs of a batch of n zeros: for bench --per-layer.
  std::vector<double> profile(int64_t n, int repeats) const;

  int64_t arena_bytes() const;   // peak activation memory of one image
  int64_t weight_bytes() const;  // packed weights and tables held

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

/// Fills self_check.outputs and .values for the inputs given there, with the portable kernels.
void fill_self_check(ModelFile&);

/// Replays the self-check. Empty: passed. Otherwise one sentence naming the first layer that differs.
std::string verify(const Model&);

}  // namespace icepoint
