// Walks every operator's fields: weights go, the other tensors get memory of their own.
#include "runtime/without_weights.h"

#include <string_view>

namespace icepoint {
namespace {

struct Dropper {
  template <class T>
  void operator()(const char*, T&) {}  // numbers stay
  void operator()(const char* name, Tensor& tensor) {
    if (std::string_view(name) == "weight")
      tensor.data = nullptr;
    else
      own(tensor);
  }
  void optional(const char*, Tensor& tensor) {
    if (tensor) own(tensor);
  }

  // Tensors of a file are views into all of its bytes.
  static void own(Tensor& tensor) {
    const auto bytes = static_cast<size_t>(tensor.count() * size_of(tensor.dtype));
    std::shared_ptr<uint8_t> copy(static_cast<uint8_t*>(::operator new(bytes + 1)),
                                  [](uint8_t* p) { ::operator delete(p); });
    std::memcpy(copy.get(), tensor.data.get(), bytes);
    tensor.data = std::move(copy);
  }
};

}  // namespace

ModelFile without_weights(const ModelFile& file) {
  ModelFile kept = file;
  Dropper dropper;
  for (Node& node : kept.graph.nodes) std::visit([&](auto& op) { op.fields(dropper); }, node.op);
  kept.self_check.inputs.clear();
  return kept;
}

}  // namespace icepoint
