// The header's text: parsed strictly, then written again and compared, so that one spelling exists.
#include "format/header.h"

#include <algorithm>
#include <tuple>

#include "core/check.h"
#include "format/json.h"
#include "format/layout.h"
#include "graph/text.h"

namespace icepoint {

namespace {

DType to_dtype(const Json& json, const std::string& path) {
  const std::string& name = to_text(json, path);
  for (DType t : {DType::i8, DType::u8, DType::i32, DType::f32})
    if (name == name_of(t)) return t;
  fail(path, ": ", in_quotes(name), " is not I8, U8, I32 or F32");
}

TensorEntry read_entry(const Json& json) {
  const std::string path = "tensor " + in_quotes(json.key);
  require_known(json, {"data_offsets", "dtype", "shape"}, path);
  TensorEntry entry;
  entry.name = json.key;
  entry.dtype = to_dtype(require_member(json, "dtype", path), path + ".dtype");
  entry.shape = to_ints(require_member(json, "shape", path), path + ".shape");
  const auto offsets = to_ints(require_member(json, "data_offsets", path), path + ".data_offsets");
  require(offsets.size() == 2, path, ".data_offsets: ", offsets.size(), " numbers, expected 2");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return entry;
}

std::string emit_entry(const TensorEntry& entry) {
  const std::string dtype = emit_text(name_of(entry.dtype));
  return emit_text(entry.name) + ":" +
         emit_object({{"data_offsets", emit_ints(std::array{entry.begin, entry.end})},
                      {"dtype", dtype},
                      {"shape", emit_ints(entry.shape)}});
}

}  // namespace

void place_tensors(std::vector<TensorEntry>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tuple(-size_of(a.dtype), std::string_view(a.name)) <
           std::tuple(-size_of(b.dtype), std::string_view(b.name));
  });
  int64_t at = 0;
  for (TensorEntry& entry : tensors) {
    const auto count = numel(entry.shape);
    int64_t bytes = 0;
    const bool fits = count && !__builtin_mul_overflow(*count, size_of(entry.dtype), &bytes) &&
                      !__builtin_add_overflow(at, bytes, &entry.end);
    require(fits, "tensor ", in_quotes(entry.name), ".shape: ", to_string(entry.shape),
            " is negative or has too many bytes");
    require_range(entry.shape.size(), 1, kMaxTensorRank,
                  "tensor " + in_quotes(entry.name) + ".shape: its rank");
    entry.begin = at;
    at = entry.end;
  }
}

std::string emit_header(const Header& header) {
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : header.metadata) metadata[key] = emit_text(value);
  std::string text = "{\"__metadata__\":" + emit_object(metadata);
  for (const TensorEntry& entry : header.tensors) (text += ",") += emit_entry(entry);
  text += "}";
  const size_t end = kLengthBytes + text.size();
  return text.append((kAlignment - end % kAlignment) % kAlignment, ' ');
}

Header parse_header(std::string_view text) {
  const Json root = parse_json(text, "header");
  Header header;
  for (const Json& member : require_member(root, "__metadata__", "header").items)
    header.metadata[member.key] = to_text(member, "__metadata__." + in_quotes(member.key));
  const auto field = [&](const char* key) -> const std::string& { return header.metadata[key]; };
  require(field("format") == kFormatName, "format: ", in_quotes(field("format")), ", expected 'icepoint'");
  // Before anything that a later version may have changed.
  require(field("version") == kFormatVersion, "version: ", in_quotes(field("version")),
          " is not known, this icepoint reads version ", kFormatVersion);
  for (const Json& member : root.items)
    if (member.key != "__metadata__") header.tensors.push_back(read_entry(member));

  const auto claimed = header.tensors;
  place_tensors(header.tensors);
  std::map<std::string_view, const TensorEntry*> by_name;
  for (const TensorEntry& entry : claimed) by_name[entry.name] = &entry;
  for (const TensorEntry& entry : header.tensors) {
    const TensorEntry& found = *by_name[entry.name];
    require(found.begin == entry.begin && found.end == entry.end, "tensor ", in_quotes(entry.name),
            ".data_offsets: ", found.begin, "..", found.end, ", expected ", entry.begin, "..", entry.end);
  }
  const std::string canonical = emit_header(header);
  if (text != canonical) {
    const auto differ = std::mismatch(text.begin(), text.end(), canonical.begin(), canonical.end()).first;
    fail("header: not in the canonical spelling from byte ", differ - text.begin());
  }
  return header;
}

void check_header_size(uint64_t header_bytes, uint64_t file_bytes) {
  require(file_bytes >= kLengthBytes && header_bytes <= file_bytes - kLengthBytes,
          "header length: ", header_bytes, " is more than the file of ", file_bytes, " bytes holds");
  require(header_bytes <= kMaxHeaderBytes, "header length: ", header_bytes, " is more than ",
          kMaxHeaderBytes);
  require(header_bytes <= file_bytes / 2 || file_bytes < kSmallFileBytes, "header length: ", header_bytes,
          " is more than half of the file's ", file_bytes, " bytes");
}

}  // namespace icepoint
