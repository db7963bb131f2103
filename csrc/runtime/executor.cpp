// How a batch is cut: whole images for each thread where there are many, else each layer among all threads.
#include "runtime/executor.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "core/check.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

// A chunk's values should stay in one core's L2 cache, which has 1 to 2 MiB on the servers of today.
constexpr int64_t kChunkBytes = int64_t{1} << 20;
// From so many images a thread on, threads take images: no meeting after each layer, and the last chunk
// of one thread is a small part of the whole.
constexpr int64_t kImagesPerThread = 4;
// Arenas that one call may hold in all.
constexpr int64_t kMaxCallBytes = int64_t{1} << 30;
// Operations that make a part worth a thread: about 10 us, several times what waking it takes.
constexpr double kPartWork = 100'000;
// Bytes of an edge that make a part worth a thread.
constexpr int64_t kPartBytes = 16'384;

/// f over parts of 0..count: on several threads, or in one call.
template <class F>
void over(bool split, int64_t count, int64_t grain, const F& f) {
  if (split)
    parallel_for(count, grain, std::cref(f));  // a reference fits std::function without memory
  else
    f(int64_t{0}, count);
}

int64_t most_inputs(const Graph& graph) {
  size_t most = 1;
  for (const Node& node : graph.nodes) most = std::max(most, node.inputs.size());
  return static_cast<int64_t>(most);
}

}  // namespace

Executor::Executor(const ModelFile& file, const Kernels& kernels)
    : file_(file),
      kernels_(kernels),
      program_(prepare(file, kernels)),
      most_inputs_(most_inputs(file.graph)),
      chunk_images_(std::max<int64_t>(kChunkBytes / program_.plan.arena_bytes, 1)),
      block_bytes_(chunk_images_ * program_.plan.arena_bytes +
                   most_inputs_ * static_cast<int64_t>(sizeof(uint8_t*))),
      blocks_(block_bytes_) {
  for (size_t i = 0; i < file.graph.inputs.size(); ++i) inputs_.emplace_back(file.proof.values[i]);
  for (int64_t v : file.graph.outputs) outputs_.emplace_back(file.proof.values[v]);
}

Executor::Chunk Executor::chunk_in(uint8_t* block, int64_t n) const {
  // The arena's size is a multiple of 64, so the pointers behind it are aligned.
  return {block, reinterpret_cast<const uint8_t**>(block + chunk_images_ * program_.plan.arena_bytes), n};
}

uint8_t* Executor::slot(const Program& program, const Chunk& chunk, int64_t value) const {
  return chunk.arena + program.plan.slots[value].offset * chunk.n;
}

void Executor::run_step(const Program& program, const Step& step, const Chunk& chunk, bool split) const {
  for (size_t i = 0; i < step.inputs.size(); ++i) chunk.xs[i] = slot(program, chunk, step.inputs[i]);
  uint8_t* y = slot(program, chunk, step.y);
  const int64_t units = step.layer->units(chunk.n);
  const double unit_work = static_cast<double>(step.work) * static_cast<double>(chunk.n) / units;
  over(split, units, 1 + static_cast<int64_t>(kPartWork / unit_work),
       [&](int64_t begin, int64_t end) { step.layer->run(chunk.xs, y, chunk.n, begin, end); });
}

void Executor::run_images(const Batch& batch, int64_t first, const Chunk& chunk, bool split) const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Edge& edge = inputs_[i];
    uint8_t* to = slot(program_, chunk, static_cast<int64_t>(i));
    const int64_t planes = edge.planes(chunk.n), grain = 1 + kPartBytes * edge.planes(1) / edge.count();
    over(split, planes, grain, [&](int64_t begin, int64_t end) {
      if (batch.float_inputs)
        edge.load(kernels_, static_cast<const float*>(batch.inputs[i]) + first * edge.count(), to, begin,
                  end);
      else
        edge.load(static_cast<const uint8_t*>(batch.inputs[i]) + first * edge.count(), to, begin, end);
    });
  }
  for (const Step& step : program_.steps) run_step(program_, step, chunk, split);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Edge& edge = outputs_[i];
    const uint8_t* from = slot(program_, chunk, file_.graph.outputs[i]);
    const int64_t planes = edge.planes(chunk.n), grain = 1 + kPartBytes * edge.planes(1) / edge.count();
    over(split, planes, grain, [&](int64_t begin, int64_t end) {
      if (batch.float_outputs)
        edge.store(from, static_cast<float*>(batch.outputs[i]) + first * edge.count(), begin, end);
      else
        edge.store(from, static_cast<uint8_t*>(batch.outputs[i]) + first * edge.count(), begin, end);
    });
  }
}

void Executor::run(const Batch& batch) const {
  const int64_t n = batch.n, threads = num_threads();
  const int64_t workers = std::min(threads, kMaxCallBytes / block_bytes_);
  if (workers < 2 || n < kImagesPerThread * workers) {
    const ArenaPool::Block block = blocks_.take();
    for (int64_t first = 0; first < n; first += chunk_images_)
      run_images(batch, first, chunk_in(block.get(), std::min(chunk_images_, n - first)), true);
    return;
  }
  const int64_t images = std::min(chunk_images_, n / workers);
  std::vector<ArenaPool::Block> blocks;
  for (int64_t i = 0; i < workers; ++i) blocks.push_back(blocks_.take());
  std::atomic<int64_t> next{0};  // first image that no worker has taken
  over(true, workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w)
      for (int64_t first; (first = next.fetch_add(images, std::memory_order_relaxed)) < n;)
        run_images(batch, first, chunk_in(blocks[w].get(), std::min(images, n - first)), false);
  });
}

void Executor::trace(std::span<const uint8_t* const> inputs, int64_t n,
                     const std::function<void(int64_t, std::span<const uint8_t>)>& see) const {
  const Program program = prepare(file_, kernels_, true, &program_);
  int64_t most = 0, arena_bytes = 0;
  for (const ValueInfo& value : file_.proof.values) most = std::max(most, *numel(value.shape));
  require(!__builtin_mul_overflow(n, program.plan.arena_bytes, &arena_bytes), "trace: ", n,
          " images do not fit memory");
  ArenaPool arena(arena_bytes);
  const ArenaPool::Block block = arena.take();
  std::vector<const uint8_t*> xs(most_inputs_);
  std::vector<uint8_t> codes(static_cast<size_t>(n * most));
  const Chunk chunk{block.get(), xs.data(), n};

  const auto show = [&](int64_t value) {
    const Edge edge(file_.proof.values[value]);
    edge.store(slot(program, chunk, value), codes.data(), 0, edge.planes(n));
    see(value, {codes.data(), static_cast<size_t>(n * edge.count())});
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (n > 0)
      inputs_[i].load(inputs[i], slot(program, chunk, static_cast<int64_t>(i)), 0, inputs_[i].planes(n));
    show(static_cast<int64_t>(i));
  }
  auto step = program.steps.begin();
  for (int64_t i = 0; i < std::ssize(file_.graph.nodes); ++i) {
    // A reshape in place is no step: its bytes are there already.
    if (n > 0 && step != program.steps.end() && step->node == i) run_step(program, *step, chunk, true);
    if (step != program.steps.end() && step->node == i) ++step;
    show(static_cast<int64_t>(inputs_.size()) + i);
  }
}

std::vector<double> Executor::profile(int64_t n, int repeats) const {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds(file_.graph.nodes.size());
  const ArenaPool::Block block = blocks_.take();
  for (int repeat = 0; repeat < repeats; ++repeat)
    for (int64_t first = 0; first < n; first += chunk_images_) {
      const Chunk chunk = chunk_in(block.get(), std::min(chunk_images_, n - first));
      for (size_t i = 0; i < inputs_.size(); ++i)
        std::memset(slot(program_, chunk, static_cast<int64_t>(i)), 0,
                    static_cast<size_t>(chunk.n * inputs_[i].count()));
      for (const Step& step : program_.steps) {
        const auto start = Clock::now();
        run_step(program_, step, chunk, true);
        seconds[step.node] += std::chrono::duration<double>(Clock::now() - start).count();
      }
    }
  return seconds;
}

}  // namespace icepoint
