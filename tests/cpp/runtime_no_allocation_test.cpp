// A model that has run once asks for no memory any more: counted in operator new, which this file replaces.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "graph_cases.h"
#include "kernels/select.h"
#include "random_graph.h"
#include "random_outputs.h"
#include "runtime/model.h"
#include "runtime/threads.h"

// GCC takes the free() below for one that does not match its new; both are this file's.
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace {

std::atomic<int64_t> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  if (void* p = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
// The library's own calls the one above; AddressSanitizer's does not, and would meet the free() below.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace icepoint {
namespace {

TEST(RuntimeNoAllocation, ARunAfterTheFirstAllocatesNothing) {
  const int before = num_threads();
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const Graph graph = RandomGraph(seed, 12).graph();
    ModelFile file = file_of(graph, seed);
    if (seed % 2) file.output_recipe = random_output_recipe(graph, file.proof, seed);
    const Model model(std::make_shared<const ModelFile>(std::move(file)), kernels());
    constexpr int64_t kMost = 33;  // 2 threads take images from 8 on
    std::vector<std::vector<float>> inputs, outputs;
    std::vector<const float*> x;
    std::vector<float*> y;
    for (size_t i = 0; i < graph.inputs.size(); ++i)
      x.push_back(inputs.emplace_back(kMost * model.input_count(i), 0.25f).data());
    for (size_t i = 0; i < graph.outputs.size(); ++i)
      y.push_back(outputs.emplace_back(kMost * model.real_count(i)).data());
    for (int threads : {1, 2})
      for (int64_t n : {int64_t{1}, kMost}) {
        set_num_threads(threads);
        model.run(x, n, y);
        const int64_t start = allocations.load();
        for (int i = 0; i < 3; ++i) model.run(x, n, y);
        // More than 8 outputs need a list of their pointers; graphs have one or two.
        EXPECT_EQ(allocations.load() - start, graph.outputs.size() > 8 ? 3 : 0)
            << "seed " << seed << ", " << threads << " threads, " << n << " images";
      }
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace icepoint
