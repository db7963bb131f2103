// The one file that includes LibTorch's unpickler.
#include "replay/pt.h"

#include <torch/csrc/jit/serialization/unpickler.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>

#include "core/check.h"
#include "replay/pt_program.h"

namespace icepoint {
namespace {

/// The zip archive in memory; what LibTorch reads cannot pass its end.
class MemoryReader : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MemoryReader(const Bytes& file) : file_(file) {}
  size_t size() const override { return file_.size(); }
  size_t read(uint64_t position, void* to, size_t n, const char*) const override {
    if (position >= file_.size()) return 0;
    n = std::min(n, file_.size() - static_cast<size_t>(position));
    std::memcpy(to, file_.data() + position, n);
    return n;
  }

 private:
  const Bytes& file_;
};

class Archive {
 public:
  explicit Archive(const Bytes& file) : limit_(file.size()), reader_(std::make_shared<MemoryReader>(file)) {}

  bool has(const std::string& name) { return reader_.hasRecord(name); }
  /// torch.save stores without compression, so a record is never larger than its file.
  std::pair<at::DataPtr, size_t> record(const std::string& name) {
    require(reader_.getRecordSize(name) <= limit_, "pt: the record ", name, " is larger than the file");
    auto [data, size] = reader_.getRecord(name);
    return {std::move(data), size};
  }
  std::string text(const std::string& name) {
    const auto [data, size] = record(name);
    return {static_cast<const char*>(data.get()), size};
  }

 private:
  size_t limit_;
  caffe2::serialize::PyTorchStreamReader reader_;
};

/// Copies a strided view to C order, after proving that it stays inside the `bytes` of its storage.
Tensor dense(const c10::TensorImpl& view, const Bytes& file, size_t bytes) {
  const caffe2::TypeMeta type = view.dtype();
  const bool is_float = type == caffe2::TypeMeta::Make<float>();
  require(is_float || type == caffe2::TypeMeta::Make<uint8_t>(), "pt: dtype ", type.name(),
          ", expected float32 or uint8");
  Tensor tensor;
  tensor.dtype = is_float ? DType::f32 : DType::u8;
  const auto sizes = view.sizes(), strides = view.strides();
  tensor.shape.assign(sizes.begin(), sizes.end());
  const auto count = numel(tensor.shape);
  const int64_t item = size_of(tensor.dtype);
  // A stride of 0 could blow up a few bytes; a saved batch is as large as its file or smaller.
  require(count && *count <= static_cast<int64_t>(file.size()) / item, "pt: the shape ",
          to_string(tensor.shape), " needs more bytes than the file has; save x.contiguous()");
  int64_t last = view.storage_offset();
  bool inside = last >= 0;
  for (size_t i = 0; i < sizes.size() && inside; ++i) {
    int64_t reach = 0;
    inside = strides[i] >= 0 &&
             !__builtin_mul_overflow(std::max<int64_t>(sizes[i] - 1, 0), strides[i], &reach) &&
             !__builtin_add_overflow(last, reach, &last);
  }
  require(inside && (*count == 0 || last < static_cast<int64_t>(bytes) / item),
          "pt: the tensor reaches beyond its storage");

  std::shared_ptr<uint8_t> data(new uint8_t[static_cast<size_t>(*count * item) + 1],
                                std::default_delete<uint8_t[]>());
  const auto* from = static_cast<const uint8_t*>(view.storage().data());
  std::vector<int64_t> at(sizes.size(), 0);
  int64_t offset = view.storage_offset();
  for (int64_t i = 0; i < *count; ++i) {
    std::memcpy(data.get() + i * item, from + offset * item, static_cast<size_t>(item));
    for (size_t d = sizes.size(); d-- > 0;) {  // the next index in C order
      offset += strides[d];
      if (++at[d] < sizes[d]) break;
      offset -= at[d] * strides[d];
      at[d] = 0;
    }
  }
  tensor.data = std::move(data);
  return tensor;
}

Tensor read(const Bytes& file) {
  Archive archive(file);
  require(archive.has("data.pkl"), "pt: a zip without data.pkl, expected what torch.save writes");
  require(!archive.has("byteorder") || archive.text("byteorder") == "little",
          "pt: saved on a big-endian machine");
  const std::string program = archive.text("data.pkl");
  check_pt_program(program);

  size_t position = 0;
  std::unordered_map<const void*, size_t> storages;  // the pickle's own count is not to be trusted
  const auto read_program = [&](char* to, size_t n) {
    n = std::min(n, program.size() - position);
    std::memcpy(to, program.data() + position, n);
    position += n;
    return n;
  };
  const auto read_storage = [&](const std::string& key) {
    auto [data, size] = archive.record("data/" + key);
    storages[data.get()] = size;
    return std::move(data);
  };
  torch::jit::Unpickler unpickler(read_program, nullptr, nullptr, read_storage, at::Device(at::kCPU));
  const c10::IValue value = unpickler.parse_ivalue();
  require(value.isTensor() && value.toTensor().defined(), "pt: expected one tensor");
  const at::Tensor held = value.toTensor();
  const c10::TensorImpl& tensor = *held.unsafeGetTensorImpl();
  require(tensor.layout() == at::kStrided && tensor.device().is_cpu() && tensor.has_storage(),
          "pt: expected a dense tensor");
  const auto storage = storages.find(tensor.storage().data());
  return dense(tensor, file, storage == storages.end() ? 0 : storage->second);
}

}  // namespace

Tensor parse_pt(const Bytes& file) try { return read(file); } catch (const c10::Error& e) {
  const std::string text = e.what_without_backtrace();
  fail("pt: ", text.substr(0, text.find('\n')));
}

}  // namespace icepoint
