// Bytes to a proved model: sizes, header, digest, tensors, graph, and last the one spelling of each.
#include "format/reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "format/digest.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/recipes.h"
#include "format/writer.h"
#include "graph/text.h"

namespace icepoint {

namespace {

uint64_t header_length(std::span<const uint8_t> bytes) {
  require(bytes.size() >= kLengthBytes, "file: ", bytes.size(), " bytes, too short for a frozen model");
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t{bytes[i]} << (8 * i);
  return length;
}

std::string digest_field(std::span<const uint8_t> bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const std::string_view opening = kHeaderOpening;
  require(bytes.size() > kDigestOffset + kDigestChars &&
              std::string_view(text + kLengthBytes, opening.size()) == opening,
          "file: does not open like a frozen model (bytes 8..34 are not ", opening, ")");
  const std::string digest(text + kDigestOffset, kDigestChars);
  require(digest.find_first_not_of("0123456789abcdef") == std::string::npos, "digest: ", in_quotes(digest),
          " is not 64 lower-case hex digits");
  return digest;
}

void verify_digest(std::span<const uint8_t> bytes, const std::string& digest) {
  const std::vector<uint8_t> zeros(kDigestChars, '0');
  const std::string computed =
      sha256({bytes.first(kDigestOffset), zeros, bytes.subspan(kDigestOffset + kDigestChars)});
  require(computed == digest, "digest: the file says ", digest, ", its bytes give ", computed,
          "; it was damaged or changed");
}

// Views of the payload that keep the whole file alive.
std::map<std::string, Tensor> view_tensors(const Header& header, const std::shared_ptr<const uint8_t>& bytes,
                                           size_t payload) {
  std::map<std::string, Tensor> tensors;
  for (const TensorEntry& entry : header.tensors) {
    std::shared_ptr<const uint8_t> data(bytes, bytes.get() + payload + entry.begin);
    tensors[entry.name] = {entry.dtype, entry.shape, std::move(data)};
  }
  return tensors;
}

ModelFile read_checked(const std::shared_ptr<const uint8_t>& bytes, size_t size) {
  const std::span<const uint8_t> file_bytes(bytes.get(), size);
  const uint64_t length = header_length(file_bytes);
  check_header_size(length, size);
  ModelFile file;
  file.digest = digest_field(file_bytes);
  const auto payload = kLengthBytes + static_cast<size_t>(length);
  Header header = parse_header({reinterpret_cast<const char*>(bytes.get()) + kLengthBytes, length});
  require(static_cast<uint64_t>(header.payload_bytes()) == size - payload, "file: the header describes ",
          header.payload_bytes(), " bytes of tensors, there are ", size - payload);
  verify_digest(file_bytes, file.digest);

  auto text = [&](const char* key) -> const std::string& {
    const auto at = header.metadata.find(key);
    require(at != header.metadata.end(), "__metadata__.", key, ": absent");
    return at->second;
  };
  auto tensors = view_tensors(header, bytes, payload);
  file.self_check = parse_self_check(text("self_check"), tensors);
  file.graph = parse_graph(text("graph"), tensors);
  file.recipe = parse_recipe(text("recipe"));
  if (header.metadata.contains("output_recipe"))
    file.output_recipe = parse_output_recipe(text("output_recipe"));
  file.made_by = parse_made_by(text("made_by"));
  file.proof = validate(file.graph);
  file.file_bytes = static_cast<int64_t>(size);

  // What these facts are written as must be what was read: no second spelling, no unknown key, and an
  // overflow proof that is the one just made.
  const auto canonical = emit_metadata(file, file.proof);
  for (const auto& [key, value] : canonical)
    require(text(key.c_str()) == value, key, ": ",
            key == "overflow_proof" ? "is not what the weights prove" : "is not in the canonical spelling");
  for (const auto& [key, value] : header.metadata)
    require(key == "digest" || canonical.contains(key), "__metadata__: unknown key ", in_quotes(key));
  return file;
}

// int32 and float tensors are read in place; bytes from elsewhere may lie anywhere.
std::shared_ptr<const uint8_t> aligned(std::shared_ptr<const uint8_t> bytes, size_t size) {
  if (reinterpret_cast<uintptr_t>(bytes.get()) % alignof(int32_t) == 0) return bytes;
  std::shared_ptr<uint8_t> copy(new uint8_t[size], std::default_delete<uint8_t[]>());
  std::memcpy(copy.get(), bytes.get(), size);
  return copy;
}

}  // namespace

ModelFile read_model(std::shared_ptr<const uint8_t> bytes, size_t size) {
  try {
    return read_checked(aligned(std::move(bytes), size), size);
  } catch (const std::invalid_argument& error) {
    throw ModelFileError(error.what());
  }
}

std::string peek_digest(std::span<const uint8_t> bytes) {
  try {
    return digest_field(bytes);
  } catch (const std::invalid_argument& error) {
    throw ModelFileError(error.what());
  }
}

}  // namespace icepoint
