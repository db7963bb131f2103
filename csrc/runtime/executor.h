// Runs a prepared program over a batch: chunks of images, arenas, threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "format/file.h"
#include "runtime/arena.h"
#include "runtime/edges.h"
#include "runtime/prepare.h"

namespace icepoint {

/// The arrays of one call, (n, ...) in logical order. Sizes have been checked.
struct Batch {
  std::span<const void* const> inputs;  // float32 or uint8 codes
  bool float_inputs = false;
  std::span<uint8_t* const> codes;  // one an output, or none
  std::span<float* const> reals;    // one an output, or none
  bool functions = false;           // whether `reals` lie behind the output functions
  int64_t n = 0;
};

/// Immutable; every member function may be called by several threads at once. All memory of a call is
/// taken before its first layer runs, so that nothing throws inside a parallel part.
class Executor {
 public:
  /// `program` is prepare(file, kernels); trace() alone reads weights from `file`.
  Executor(const ModelFile& file, const Kernels& kernels, Program program);

  void run(const Batch& batch) const;

  /// See Model::trace and Model::profile.
  void trace(std::span<const uint8_t* const> inputs, int64_t n,
             const std::function<void(int64_t, std::span<const uint8_t>)>& see) const;
  std::vector<double> profile(int64_t n, int repeats) const;

  const Program& program() const { return program_; }

 private:
  // One chunk in flight: the arena with the values of its n images, and room for a layer's inputs.
  struct Chunk {
    uint8_t* arena;
    View* xs;
    int64_t n;
  };
  /// Writes the zero point around a value's images: its buffer has held others since the last run.
  void fill_halo(const Program&, int64_t value, const Chunk&) const;
  void run_step(const Program&, const Step&, const Chunk&, bool split) const;
  void load(const Batch&, int64_t first, const Chunk&, bool split) const;
  void store(const Batch&, int64_t first, const Chunk&, bool split) const;
  Edge edge_of(const Program&, int64_t value, const OutputFunction& function = {}) const;
  void run_images(const Batch&, int64_t first, const Chunk&, bool split) const;
  Chunk chunk_in(uint8_t* block, int64_t n) const;

  const ModelFile& file_;
  const Kernels& kernels_;
  const Program program_;
  std::vector<Edge> inputs_, outputs_;
  int64_t most_inputs_ = 1;   // of one node
  int64_t chunk_images_ = 1;  // most images in one chunk
  int64_t block_bytes_ = 0;   // a chunk's arena and its room for views
  std::unique_ptr<ArenaPool> blocks_;
};

}  // namespace icepoint
