// The visitors that walk an operator's fields(v): one list for reading and for writing.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/check.h"
#include "format/json.h"
#include "graph/graph.h"
#include "graph/text.h"

namespace icepoint {

/// Fills an operator's fields from its JSON object, and its tensors from `tensors`, taking them out.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string path, std::string name, std::map<std::string, Tensor>& tensors)
      : object_(object), path_(std::move(path)), name_(std::move(name)), tensors_(tensors) {}

  void operator()(const char* field, int64_t& value) { value = to_int(take(field), at(field)); }
  void operator()(const char* field, bool& value) { value = to_bool(take(field), at(field)); }
  void operator()(const char* field, std::string& value) { value = to_text(take(field), at(field)); }
  void operator()(const char* field, Shape& value) { value = to_ints(take(field), at(field)); }
  template <size_t N>
  void operator()(const char* field, std::array<int64_t, N>& value) {
    const Json& list = require_kind(take(field), Json::Kind::array, at(field));
    require(list.items.size() == N, at(field), ": ", list.items.size(), " numbers, expected ", N);
    for (size_t i = 0; i < N; ++i) value[i] = to_int(list.items[i], at(field));
  }
  void operator()(const char* field, Tensor& value) {
    optional(field, value);
    require(static_cast<bool>(value), at(field), ": there is no tensor ", in_quotes(name_ + "." + field));
  }
  void optional(const char* field, Tensor& value) {
    auto node = tensors_.extract(name_ + "." + field);
    if (!node.empty()) value = std::move(node.mapped());
  }

  /// The member `field`, counted as known.
  const Json& take(const char* field) {
    known_.push_back(field);
    return require_member(object_, field, path_);
  }
  /// Requires that every key of the object has been taken.
  void finish() const {
    for (const Json& member : object_.items)
      if (std::find(known_.begin(), known_.end(), member.key) == known_.end())
        fail(path_, ": unknown key ", in_quotes(member.key));
  }

 private:
  std::string at(const char* field) const { return path_ + "." + field; }

  const Json& object_;
  std::string path_, name_;
  std::map<std::string, Tensor>& tensors_;
  std::vector<std::string_view> known_;
};

/// Collects the JSON of an operator's fields, and its tensors by their names in the file.
class FieldWriter {
 public:
  explicit FieldWriter(std::string name) : name_(std::move(name)) {}

  void operator()(const char* field, int64_t value) { members[field] = std::to_string(value); }
  void operator()(const char* field, bool value) { members[field] = value ? "true" : "false"; }
  void operator()(const char* field, const std::string& value) { members[field] = emit_text(value); }
  void operator()(const char* field, const Shape& value) { members[field] = emit_ints(value); }
  template <size_t N>
  void operator()(const char* field, const std::array<int64_t, N>& value) {
    members[field] = emit_ints(value);
  }
  void operator()(const char* field, const Tensor& value) { optional(field, value); }
  void optional(const char* field, const Tensor& value) {
    if (value) tensors[name_ + "." + field] = value;
  }

  std::map<std::string, std::string> members;
  std::map<std::string, Tensor> tensors;

 private:
  std::string name_;
};

}  // namespace icepoint
