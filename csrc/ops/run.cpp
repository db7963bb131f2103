// run and run_codes: a whole frozen model as one operator.
#include <torch/csrc/stable/library.h>

#include "core/check.h"
#include "format/reader.h"
#include "ops/model_cache.h"
#include "ops/ops.h"

namespace icepoint::ops {
namespace {

// Takes a str argument off the stack and frees it.
std::string take_string(StableIValue value) {
  const auto handle = torch::stable::detail::to<StringHandle>(value);
  size_t length = 0;
  const char* data = nullptr;
  TORCH_ERROR_CODE_CHECK(torch_string_length(handle, &length));
  TORCH_ERROR_CODE_CHECK(torch_string_c_str(handle, &data));
  std::string text(data, length);
  TORCH_ERROR_CODE_CHECK(torch_delete_string(handle));
  return text;
}

// Output i of run (T float), behind its function, or of run_codes, without the batch.
template <class T>
Shape output_shape(const Model& model, size_t i) {
  if constexpr (std::is_same_v<T, float>) return model.real_shape(i);
  return model.file().proof.values[static_cast<size_t>(model.file().graph.outputs[i])].shape;
}

// What the model's bytes say, in the key's form: digest:[[10], [4, 7, 7]] without blanks.
template <class T>
std::string key_of(const Model& model) {
  const ModelFile& file = model.file();
  std::string text = file.digest + ":[";
  for (size_t i = 0; i < file.graph.outputs.size(); ++i) {
    const Shape shape = output_shape<T>(model, i);
    text += i ? ",[" : "[";
    for (size_t d = 0; d < shape.size(); ++d) text.append(d ? "," : "").append(std::to_string(shape[d]));
    text += "]";
  }
  return text + "]";
}

// The prepared model that `bytes` and `key` name together.
template <class T>
ModelPtr find_model(const Tensor& bytes, std::string key, const std::string& op) {
  check_tensor(bytes, {dtype_of<uint8_t>()}, op + ".model");
  check_rank(bytes, 1, "(bytes)", op + ".model");
  const Dense<uint8_t> dense(bytes, Order::logical);
  const std::string digest = peek_digest(dense.span());
  require(key.substr(0, key.find(':')) == digest, op, ".key: names the model ", key.substr(0, 12),
          "..., but the bytes are those of ", digest.substr(0, 12), "...");
  const ModelPtr model = cached_model(dense.span(), digest);
  std::erase(key, ' ');
  const std::string expected = key_of<T>(*model);
  require(key == expected, op, ".key: output shapes are ",
          key.substr(std::min(key.size(), digest.size() + 1)), ", the model has ",
          expected.substr(digest.size() + 1));
  return model;
}

// N, the same for every input; each input must be (N, ...) with the graph's own shape behind N.
int64_t batch_of(const std::vector<Tensor>& inputs, const Graph& graph, int32_t dtype,
                 const std::string& op) {
  require(inputs.size() == graph.inputs.size(), op, ".inputs: has ", inputs.size(), " tensors, expected ",
          graph.inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string who = op + ".inputs[" + std::to_string(i) + "]";
    check_tensor(inputs[i], {dtype}, who);
    Shape expected = graph.inputs[i].shape, found = shape_of(inputs[i]);
    expected.insert(expected.begin(), inputs[0].dim() > 0 ? inputs[0].size(0) : 0);
    require(found == expected, who, ": has shape ", to_string(found), ", expected (N, ",
            to_string(graph.inputs[i].shape).substr(1), i ? " with the N of inputs[0]" : "", kOneSize);
  }
  return inputs[0].size(0);
}

template <class T, class Execute>
void execute(StableIValue* stack, const std::string& op, const Execute& call) {
  using torch::stable::detail::to;
  const auto inputs = to<std::vector<Tensor>>(stack[0]);
  const auto bytes = to<Tensor>(stack[1]);
  const ModelPtr model = find_model<T>(bytes, take_string(stack[2]), op);
  const ModelFile& file = model->file();
  const int64_t n = batch_of(inputs, file.graph, dtype_of<T>(), op);

  std::vector<Dense<T>> dense;
  std::vector<const T*> xs;
  for (const Tensor& x : inputs) xs.push_back(dense.emplace_back(x, Order::logical).data());
  std::vector<Tensor> outputs;
  std::vector<T*> ys;
  for (size_t i = 0; i < file.graph.outputs.size(); ++i) {
    Shape shape = output_shape<T>(*model, i);
    shape.insert(shape.begin(), n);
    outputs.push_back(new_tensor(shape, dtype_of<T>(), Order::logical, op));
    ys.push_back(static_cast<T*>(outputs.back().mutable_data_ptr()));
  }
  if (n > 0) call(*model, xs, n, ys);
  stack[0] = torch::stable::detail::from(outputs);
}

}  // namespace

void run(StableIValue* stack, uint64_t, uint64_t) {
  execute<float>(stack, "run",
                 [](const Model& model, auto& xs, int64_t n, auto& ys) { model.run(xs, n, ys); });
}

void run_codes(StableIValue* stack, uint64_t, uint64_t) {
  execute<uint8_t>(stack, "run_codes",
                   [](const Model& model, auto& xs, int64_t n, auto& ys) { model.run_codes(xs, n, ys); });
}

}  // namespace icepoint::ops
