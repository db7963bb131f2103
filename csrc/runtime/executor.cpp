// How a batch is cut: whole images for each thread where there are many, else each layer among all threads.
#include "runtime/executor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>

#include "core/check.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

// A chunk's values should stay near one core: L2 caches of today's servers have 1 to 2 MiB. Where the weights
// are larger than that, they are what misses, and more images share each pass over them.
constexpr int64_t kChunkBytes = int64_t{1} << 20, kMostChunkBytes = int64_t{64} << 20;
// From so many images a thread on, threads take images: no meeting after each layer, and the last chunk
// of one thread is a small part of the whole.
constexpr int64_t kImagesPerThread = 4;
// Arenas that one call may hold in all, and threads that take images.
constexpr int64_t kMaxCallBytes = int64_t{1} << 30;
constexpr int64_t kMostWorkers = 64;
// Operations that make a part worth a thread: a few us, several times what waking it takes.
constexpr double kPartWork = 1'000'000;
// Bytes of an edge that make a part worth a thread.
constexpr int64_t kPartBytes = 32'768;
// Codes that an output function takes to make a part worth a thread: some 10 ns each.
constexpr int64_t kPartCodes = 2'048;

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

Executor::Executor(const ModelFile& file, const Kernels& kernels, Program program)
    : file_(file), kernels_(kernels), program_(std::move(program)), most_inputs_(most_inputs(file.graph)) {
  const int64_t arena = program_.plan.arena_bytes;
  const int64_t room = std::clamp(program_.bytes(), kChunkBytes, kMostChunkBytes);
  chunk_images_ = std::max<int64_t>(room / arena, 1);
  block_bytes_ = chunk_images_ * arena + most_inputs_ * static_cast<int64_t>(sizeof(View));
  blocks_ = std::make_unique<ArenaPool>(block_bytes_);
  for (size_t i = 0; i < file.graph.inputs.size(); ++i)
    inputs_.emplace_back(file.proof.values[i], program_.plan.places[i]);
  for (size_t i = 0; i < file.graph.outputs.size(); ++i) {
    outputs_.push_back(edge_of(program_, file.graph.outputs[i], file.output_function(i)));
  }
}

Edge Executor::edge_of(const Program& program, int64_t value, const OutputFunction& function) const {
  std::shared_ptr<const Accumulators> accumulators;
  if (program.plan.accumulators[value])
    accumulators = std::make_shared<Accumulators>(Accumulators::of(file_, value));
  return {file_.proof.values[value], program.plan.places[value], function, std::move(accumulators)};
}

Executor::Chunk Executor::chunk_in(uint8_t* block, int64_t n) const {
  // The arena's size is a multiple of 64, so the views behind it are aligned.
  return {block, reinterpret_cast<View*>(block + chunk_images_ * program_.plan.arena_bytes), n};
}

void Executor::fill_halo(const Program& program, int64_t value, const Chunk& chunk) const {
  const Place& place = program.plan.places[value];
  if (place.halo == Halo{}) return;
  const auto [top, left, bottom, right] = place.halo;
  const int zero_point = file_.proof.values[value].q.zero_point;
  uint8_t* image = place.buffer(chunk.arena, chunk.n);
  for (int64_t i = 0; i < chunk.n; ++i, image += place.image) {
    // What lies right of one row and left of the next is one run.
    uint8_t* first = image + top * place.row;
    std::memset(image, zero_point, static_cast<size_t>(top * place.row + left * place.pixel));
    for (int64_t y = 1; y < place.extent.h; ++y)
      std::memset(first + y * place.row - right * place.pixel, zero_point,
                  static_cast<size_t>((right + left) * place.pixel));
    uint8_t* last = first + place.extent.h * place.row - right * place.pixel;
    std::memset(last, zero_point, static_cast<size_t>(right * place.pixel + bottom * place.row));
  }
}

void Executor::run_step(const Program& program, const Step& step, const Chunk& chunk, bool split) const {
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const Output x = program.plan.places[step.inputs[i]].in(chunk.arena, chunk.n);
    chunk.xs[i] = {x.data, x.image, x.row, x.pixel};
  }
  fill_halo(program, step.y, chunk);
  const Output y = program.plan.places[step.y].in(chunk.arena, chunk.n);
  const int64_t units = step.layer->units(chunk.n);
  const double unit_work = static_cast<double>(step.work) * static_cast<double>(chunk.n) / units;
  over(split, units, 1 + static_cast<int64_t>(kPartWork / unit_work),
       [&](int64_t begin, int64_t end) { step.layer->run(chunk.xs, y, chunk.n, begin, end); });
}

void Executor::load(const Batch& batch, int64_t first, const Chunk& chunk, bool split) const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Edge& edge = inputs_[i];
    fill_halo(program_, static_cast<int64_t>(i), chunk);
    const int64_t grain = 1 + kPartBytes * edge.rows(1) / edge.count();
    over(split, edge.rows(chunk.n), grain, [&](int64_t begin, int64_t end) {
      if (batch.float_inputs)
        edge.load(kernels_, static_cast<const float*>(batch.inputs[i]) + first * edge.count(), chunk.arena,
                  chunk.n, begin, end);
      else
        edge.load(static_cast<const uint8_t*>(batch.inputs[i]) + first * edge.count(), chunk.arena, chunk.n,
                  begin, end);
    });
  }
}

void Executor::store(const Batch& batch, int64_t first, const Chunk& chunk, bool split) const {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Edge& edge = outputs_[i];
    const int64_t rows = edge.rows(1), n = chunk.n, grain = 1 + kPartBytes * rows / edge.count();
    if (!batch.codes.empty())
      over(split, rows * n, grain, [&](int64_t begin, int64_t end) {
        edge.store(chunk.arena, n, batch.codes[i] + first * edge.count(), begin, end);
      });
    if (batch.reals.empty()) continue;
    if (batch.functions && edge.has_function()) {
      const int64_t lines = edge.lines(1);
      over(split, lines * n, 1 + kPartCodes * lines / edge.count(), [&](int64_t begin, int64_t end) {
        edge.store_function(chunk.arena, n, batch.reals[i] + first * edge.reals(), begin, end);
      });
    } else {
      over(split, rows * n, grain, [&](int64_t begin, int64_t end) {
        edge.store(kernels_, chunk.arena, n, batch.reals[i] + first * edge.count(), begin, end);
      });
    }
  }
}

void Executor::run_images(const Batch& batch, int64_t first, const Chunk& chunk, bool split) const {
  load(batch, first, chunk, split);
  for (const Step& step : program_.steps) run_step(program_, step, chunk, split);
  store(batch, first, chunk, split);
}

void Executor::run(const Batch& batch) const {
  const int64_t n = batch.n, threads = num_threads();
  const int64_t workers = std::min({threads, kMaxCallBytes / block_bytes_, kMostWorkers});
  if (workers < 2 || n < kImagesPerThread * workers) {
    const ArenaPool::Block block = blocks_->take();
    for (int64_t first = 0; first < n; first += chunk_images_)
      run_images(batch, first, chunk_in(block.get(), std::min(chunk_images_, n - first)), true);
    return;
  }
  const int64_t images = std::min(chunk_images_, n / workers);
  std::array<ArenaPool::Block, kMostWorkers> blocks;
  for (int64_t i = 0; i < workers; ++i) blocks[i] = blocks_->take();
  std::atomic<int64_t> next{0};  // first image that no worker has taken
  over(true, workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w)
      for (int64_t first; (first = next.fetch_add(images, std::memory_order_relaxed)) < n;)
        run_images(batch, first, chunk_in(blocks[w].get(), std::min(images, n - first)), false);
  });
}

void Executor::trace(std::span<const uint8_t* const> inputs, int64_t n,
                     const std::function<void(int64_t, std::span<const uint8_t>)>& see) const {
  const Program program = prepare(file_, kernels_, true);
  int64_t most = 0, arena_bytes = 0;
  for (const ValueInfo& value : file_.proof.values) most = std::max(most, *numel(value.shape));
  require(!__builtin_mul_overflow(n, program.plan.arena_bytes, &arena_bytes), "trace: ", n,
          " images do not fit memory");
  ArenaPool arena(arena_bytes);
  const ArenaPool::Block block = arena.take();
  std::vector<View> xs(static_cast<size_t>(most_inputs_));
  std::vector<uint8_t> codes(static_cast<size_t>(n * most));
  const Chunk chunk{block.get(), xs.data(), n};

  const auto show = [&](int64_t value) {
    const Edge edge = edge_of(program, value);
    edge.store(chunk.arena, n, codes.data(), 0, edge.rows(n));
    see(value, {codes.data(), static_cast<size_t>(n * edge.count())});
  };
  for (int64_t i = 0; i < std::ssize(inputs); ++i) {
    const Edge edge(file_.proof.values[i], program.plan.places[i]);
    fill_halo(program, i, chunk);
    if (n > 0) edge.load(inputs[i], chunk.arena, n, 0, edge.rows(n));
    show(i);
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
  const ArenaPool::Block block = blocks_->take();
  for (int repeat = 0; repeat < repeats; ++repeat)
    for (int64_t first = 0; first < n; first += chunk_images_) {
      const Chunk chunk = chunk_in(block.get(), std::min(chunk_images_, n - first));
      for (size_t i = 0; i < inputs_.size(); ++i) {
        const Place& place = program_.plan.places[i];
        std::memset(place.buffer(chunk.arena, chunk.n), 0, static_cast<size_t>(chunk.n * place.image));
      }
      for (const Step& step : program_.steps) {
        const auto start = Clock::now();
        run_step(program_, step, chunk, true);
        seconds[step.node] += std::chrono::duration<double>(Clock::now() - start).count();
      }
    }
  return seconds;
}

}  // namespace icepoint
