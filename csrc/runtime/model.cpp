// The door of a frozen model: checks what callers hand over, then runs.
#include "runtime/model.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/check.h"
#include "format/recipes.h"
#include "runtime/executor.h"
#include "runtime/without_weights.h"

namespace icepoint {

namespace {

/// Typed pointers as untyped ones, without memory of their own for the few that models have.
class Pointers {
 public:
  template <class T>
  explicit Pointers(std::span<const T* const> typed) : count_(typed.size()) {
    if (count_ > few_.size()) many_.resize(count_);
    std::copy(typed.begin(), typed.end(), count_ > few_.size() ? many_.data() : few_.data());
  }
  std::span<const void* const> span() const { return {many_.empty() ? few_.data() : many_.data(), count_}; }

 private:
  size_t count_;
  std::array<const void*, 8> few_;
  std::vector<const void*> many_;
};

}  // namespace

struct Model::Impl {
  Impl(std::shared_ptr<const ModelFile> model, const Kernels& k, Keep keep, Program program)
      : file(keep == Keep::file ? std::move(model)
                                : std::make_shared<const ModelFile>(without_weights(*model))),
        keeps(keep),
        kernels(k),
        executor(*file, k, std::move(program)) {}

  const std::shared_ptr<const ModelFile> file;
  const Keep keeps;
  const Kernels& kernels;
  const Executor executor;

  const std::vector<Input>& inputs() const { return file->graph.inputs; }
  const Shape& output_shape(size_t i) const { return file->proof.values[file->graph.outputs[i]].shape; }

  /// n images of `shape`, of at most 4 bytes an element, must be addressable.
  static void check_batch(int64_t n, const Shape& shape, const char* who) {
    require(n >= 0, who, ": a batch of ", n, " images, expected 0 or more");
    if (n > std::numeric_limits<int64_t>::max() / 4 / *numel(shape))
      fail(who, ": ", n, " images of ", to_string(shape), " do not fit memory");
  }

  template <class T>
  void check_inputs(std::span<const T* const> given, int64_t n, const char* who) const {
    require(given.size() == inputs().size(), who, ": ", given.size(), " inputs, the model takes ",
            inputs().size());
    for (size_t i = 0; i < given.size(); ++i) {
      check_batch(n, inputs()[i].shape, who);
      require(given[i] || n == 0, who, ": input ", i, " is a null pointer");
    }
  }

  template <class T>
  void check_outputs(std::span<T* const> given, int64_t n, const char* who) const {
    const size_t expected = file->graph.outputs.size();
    require(given.size() == expected, who, ": ", given.size(), " outputs, the model gives ", expected);
    for (size_t i = 0; i < given.size(); ++i) {
      check_batch(n, output_shape(i), who);
      require(given[i] || n == 0, who, ": output ", i, " is a null pointer");
    }
  }

  /// The overflow proof holds for codes up to qmax: others are refused before anything runs.
  void check_codes(std::span<const uint8_t* const> given, int64_t n, const char* who) const {
    for (size_t i = 0; i < given.size(); ++i) {
      const int32_t qmax = inputs()[i].q.qmax();
      if (qmax == 255) continue;
      const uint8_t *begin = given[i], *end = begin + n * *numel(inputs()[i].shape);
      const uint8_t* above = std::find_if(begin, end, [&](uint8_t code) { return code > qmax; });
      require(above == end, who, ": input ", i, " holds the code ", above == end ? 0 : int{*above},
              " at element ", above - begin, ", expected 0..", qmax);
    }
  }

  template <class In>
  void run(std::span<const In* const> in, int64_t n, std::span<uint8_t* const> codes,
           std::span<float* const> reals, bool functions, const char* who) const {
    check_inputs(in, n, who);
    const bool wants_reals = functions || !reals.empty();
    if (!codes.empty() || !wants_reals) check_outputs(codes, n, who);
    if (wants_reals) check_outputs(reals, n, who);
    if constexpr (std::is_same_v<In, uint8_t>) check_codes(in, n, who);
    if (n == 0) return;
    const Pointers from(in);
    executor.run({from.span(), std::is_same_v<In, float>, codes, reals, functions, n});
  }
};

Model::Model(std::shared_ptr<const ModelFile> file, const Kernels& kernels, Keep keep) {
  require(file && std::ssize(file->proof.values) == file->graph.value_count(),
          "Model: the file has not been proved; use read_model or validate");
  check_output_recipe(file->output_recipe, file->graph, file->proof);
  Program program = prepare(*file, kernels);
  impl_ = std::make_unique<const Impl>(std::move(file), kernels, keep, std::move(program));
}
Model::~Model() = default;

const ModelFile& Model::file() const {
  return *impl_->file;
}
const Kernels& Model::isa() const {
  return impl_->kernels;
}
int64_t Model::input_count(size_t i) const {
  return *numel(impl_->inputs()[i].shape);
}
int64_t Model::output_count(size_t i) const {
  return *numel(impl_->output_shape(i));
}
Shape Model::real_shape(size_t i) const {
  return shape_after(file().output_function(i), impl_->output_shape(i));
}
int64_t Model::real_count(size_t i) const {
  return reals_of(file().output_function(i), impl_->output_shape(i));
}
int64_t Model::arena_bytes() const {
  return impl_->executor.program().plan.arena_bytes;
}
int64_t Model::weight_bytes() const {
  return impl_->executor.program().bytes();
}

int64_t Model::work() const {
  int64_t work = 0;
  for (const Step& step : impl_->executor.program().steps) work += step.work;
  return work;
}

void Model::run(std::span<const float* const> inputs, int64_t n, std::span<float* const> outputs) const {
  impl_->run(inputs, n, {}, outputs, true, "run");
}

void Model::run_codes(std::span<const uint8_t* const> inputs, int64_t n,
                      std::span<uint8_t* const> outputs) const {
  impl_->run(inputs, n, outputs, {}, false, "run_codes");
}

void Model::run_both(std::span<const float* const> inputs, int64_t n, std::span<uint8_t* const> codes,
                     std::span<float* const> reals) const {
  impl_->run(inputs, n, codes, reals, false, "run_both");
}

void Model::run_both(std::span<const uint8_t* const> inputs, int64_t n, std::span<uint8_t* const> codes,
                     std::span<float* const> reals) const {
  impl_->run(inputs, n, codes, reals, false, "run_both");
}

void Model::trace(std::span<const uint8_t* const> inputs, int64_t n,
                  const std::function<void(int64_t, std::span<const uint8_t>)>& see) const {
  require(impl_->keeps == Keep::file, "trace: the model was loaded to run alone; load it with Keep::file");
  impl_->check_inputs(inputs, n, "trace");
  impl_->check_codes(inputs, n, "trace");
  impl_->executor.trace(inputs, n, see);
}

std::vector<double> Model::profile(int64_t n, int repeats) const {
  require_range(n, 1, 1 << 20, "profile: images");
  require_range(repeats, 1, 1 << 20, "profile: repeats");
  return impl_->executor.profile(n, repeats);
}

}  // namespace icepoint
