// Prepared models by digest: weak references to all that live, strong ones to the last few used.
#include "ops/model_cache.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>

#include "format/reader.h"
#include "kernels/select.h"

namespace icepoint::ops {
namespace {

// A graph that torch.compile or torch.export made holds bytes and no model: without these few strong
// references each of its calls would prepare the model anew.
constexpr size_t kRecent = 4;

class Cache {
 public:
  ModelPtr find(const std::string& digest) {
    const std::lock_guard lock(mutex_);
    const auto found = alive_.find(digest);
    ModelPtr model = found == alive_.end() ? nullptr : found->second.lock();
    if (model) touch(model);
    return model;
  }

  // Where two threads prepared the same file the first one's model stays, so that all share one.
  ModelPtr insert(const ModelPtr& model) {
    const std::lock_guard lock(mutex_);
    std::erase_if(alive_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<const Model>& slot = alive_[model->file().digest];
    ModelPtr kept = slot.lock();
    if (!kept) slot = kept = model;
    touch(kept);
    return kept;
  }

 private:
  void touch(const ModelPtr& model) {
    recent_.remove(model);
    recent_.push_front(model);
    if (recent_.size() > kRecent) recent_.pop_back();
  }

  std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<const Model>> alive_;
  std::list<ModelPtr> recent_;
};

// Never destroyed: at the process's end other threads may still run a model.
Cache& cache() {
  static Cache* const instance = new Cache;
  return *instance;
}

std::shared_ptr<const ModelFile> read_copy(std::span<const uint8_t> bytes) {
  // 64: the file's tensors are aligned within it, and so must be its start.
  constexpr std::align_val_t kAlign{64};
  const std::shared_ptr<uint8_t> copy(static_cast<uint8_t*>(::operator new(bytes.size() + 1, kAlign)),
                                      [](uint8_t* p) { ::operator delete(p, kAlign); });
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  return std::make_shared<const ModelFile>(read_model(copy, bytes.size()));
}

}  // namespace

ModelPtr cached_model(std::span<const uint8_t> bytes, const std::string& digest) {
  const ModelPtr known = cache().find(digest);
  if (known && known->file().file_bytes == std::ssize(bytes)) return known;
  return cache().insert(std::make_shared<const Model>(read_copy(bytes), kernels()));
}

ModelPtr load_shared(std::span<const uint8_t> bytes) {
  const auto file = read_copy(bytes);
  if (ModelPtr model = cache().find(file->digest)) return model;
  return cache().insert(std::make_shared<const Model>(file, kernels()));
}

ModelPtr load_for_isa(std::span<const uint8_t> bytes, const std::string& isa) {
  const Kernels& table = kernels(isa);
  return std::make_shared<const Model>(read_copy(bytes), table);
}

}  // namespace icepoint::ops
