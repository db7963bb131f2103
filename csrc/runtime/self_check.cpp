// The self-check: a few inputs, and the SHA-256 of what every layer makes of them.
#include <span>
#include <vector>

#include "core/check.h"
#include "format/digest.h"
#include "format/layout.h"
#include "kernels/select.h"
#include "runtime/model.h"
#include "runtime/plan.h"

namespace icepoint {
namespace {

std::vector<const uint8_t*> pointers(const std::vector<Tensor>& inputs) {
  std::vector<const uint8_t*> data;
  for (const Tensor& t : inputs) data.push_back(t.data.get());
  return data;
}

/// Images in the self-check; throws unless every input is U8 (k, ...) with the same k in 1..16, and all k
/// images together fit the memory that one image may have: a stranger's file must not take 16 times as much.
int64_t count_images(const Model& model) {
  const ModelFile& file = model.file();
  const std::vector<Tensor>& inputs = file.self_check.inputs;
  require(inputs.size() == file.graph.inputs.size(), "self_check: ", inputs.size(),
          " inputs, the model takes ", file.graph.inputs.size());
  const int64_t k = inputs[0].shape.empty() ? 0 : inputs[0].shape[0];
  require_range(k, 1, kMaxSelfCheckImages, "self_check: images");
  for (size_t i = 0; i < inputs.size(); ++i) {
    Shape expected = file.graph.inputs[i].shape;
    expected.insert(expected.begin(), k);
    require(inputs[i] && inputs[i].dtype == DType::u8 && inputs[i].shape == expected, "self_check.", i,
            ": found ", name_of(inputs[i].dtype), " ", to_string(inputs[i].shape), ", expected U8 ",
            to_string(expected));
  }
  require(k * model.arena_bytes() <= kMaxArenaBytes, "self_check: ", k, " images take ",
          k * model.arena_bytes(), " bytes of activations, at most ", kMaxArenaBytes,
          " are allowed; use fewer images");
  return k;
}

/// The digest of every node's codes, in logical order.
std::vector<std::string> digests_of_values(const Model& model) {
  const ModelFile& file = model.file();
  const auto first = static_cast<int64_t>(file.graph.inputs.size());
  std::vector<std::string> digests;
  model.trace(pointers(file.self_check.inputs), count_images(model),
              [&](int64_t value, std::span<const uint8_t> codes) {
                if (value >= first) digests.push_back(sha256(codes));
              });
  return digests;
}

/// The digest of all outputs as run_codes gives them, output by output.
std::string digest_of_outputs(const Model& model) {
  const ModelFile& file = model.file();
  const int64_t k = count_images(model);
  std::vector<std::vector<uint8_t>> outputs;
  for (size_t i = 0; i < file.graph.outputs.size(); ++i)
    outputs.emplace_back(static_cast<size_t>(k * model.output_count(i)));
  const std::vector<std::span<const uint8_t>> parts(outputs.begin(), outputs.end());
  std::vector<uint8_t*> data;
  for (std::vector<uint8_t>& codes : outputs) data.push_back(codes.data());
  model.run_codes(pointers(file.self_check.inputs), k, data);
  return sha256(parts);
}

}  // namespace

void fill_self_check(ModelFile& file) {
  file.proof = validate(file.graph);
  const Model model(std::make_shared<const ModelFile>(file), kernels("portable"));
  file.self_check.values = digests_of_values(model);
  file.self_check.outputs = digest_of_outputs(model);
}

std::string verify(const Model& model) try {
  const ModelFile& file = model.file();
  const std::string on = std::string(" on the ") + model.isa().name + " kernels";
  const std::vector<std::string> found = digests_of_values(model);
  if (file.self_check.values.size() != found.size())
    return "the self-check describes " + std::to_string(file.self_check.values.size()) +
           " layers, the model has " + std::to_string(found.size());
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i] != file.self_check.values[i])
      return "layer " + std::to_string(i) + " '" + file.graph.nodes[i].name + "' (" +
             op_name(file.graph.nodes[i].op) +
             ") is the first that does not give the codes of the frozen file" + on;
  if (digest_of_outputs(model) != file.self_check.outputs)
    return "every layer alone gives the codes of the frozen file, the whole model does not" + on;
  return "";
} catch (const std::invalid_argument& refused) {
  return refused.what();  // a self-check that cannot be run has not passed
}

}  // namespace icepoint
