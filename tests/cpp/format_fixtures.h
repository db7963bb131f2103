// Files built from parts, so that a test breaks one thing and repairs lengths and digest around it.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/digest.h"
#include "format/layout.h"
#include "format/reader.h"
#include "format/writer.h"
#include "graph_fixtures.h"

namespace icepoint::testing {

using Bytes = std::vector<uint8_t>;

inline std::shared_ptr<const uint8_t> shared(const Bytes& bytes) {
  // As large as the bytes and no larger: a read beyond the end is seen by the address sanitizer.
  std::shared_ptr<uint8_t> copy(new uint8_t[bytes.size()], std::default_delete<uint8_t[]>());
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  return copy;
}

inline ModelFile read(const Bytes& bytes) {
  return read_model(shared(bytes), bytes.size());
}

/// What read_model says, or "accepted". Any other exception than ModelFileError leaves this function.
inline std::string verdict(const Bytes& bytes) {
  try {
    read(bytes);
    return "accepted";
  } catch (const ModelFileError& error) {
    return error.what();
  }
}

/// Puts the digest right where the file is long enough to have one.
inline Bytes with_digest(Bytes bytes) {
  if (bytes.size() < kDigestOffset + kDigestChars) return bytes;
  std::memset(bytes.data() + kDigestOffset, '0', kDigestChars);
  const std::string digest = sha256(bytes);
  std::memcpy(bytes.data() + kDigestOffset, digest.data(), kDigestChars);
  return bytes;
}

struct Parts {
  std::string header;  // without its padding
  Bytes payload;
};

inline Parts split(const Bytes& bytes) {
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  std::string header(bytes.begin() + 8, bytes.begin() + 8 + static_cast<int64_t>(length));
  header.erase(header.find_last_not_of(' ') + 1);
  return {header, Bytes(bytes.begin() + 8 + static_cast<int64_t>(length), bytes.end())};
}

/// A file of this header, padded, with the right length and digest.
inline Bytes join(const Parts& parts) {
  std::string header = parts.header;
  header.append((64 - (8 + header.size()) % 64) % 64, ' ');
  Bytes bytes(8 + header.size() + parts.payload.size());
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  std::copy(parts.payload.begin(), parts.payload.end(), bytes.begin() + 8 + static_cast<int64_t>(length));
  return with_digest(std::move(bytes));
}

/// `text` with its first `from` replaced; throws where there is none, so that no case tests nothing.
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) throw std::logic_error("the text has no " + std::string(from));
  return text.replace(at, from.size(), to);
}

/// A conv of 5 bits, a clamp, a flatten and a linear layer, with a recipe: about 3 KB.
inline ModelFile small_model() {
  Graph g;
  g.inputs = {{"image", {1, 4, 4}, {0.0078125f, 128, 8}}};
  QConv2d conv;
  conv.kernel_size = {3, 3};
  conv.out_channels = 2;
  conv.weights = random_weights({2, 1, 3, 3}, 2, {.bits = 5, .seed = 21});
  QLinear linear;
  linear.out_features = 3;
  linear.weights = random_weights({3, 8}, 3, {.per_channel = false, .seed = 22});
  g.nodes = {{"conv", conv, {0}, QParams{0.1f, 7, 8}},
             {"relu", Clamp{.lo = 7, .hi = 255}, {1}, {}},
             {"flatten", Reshape{{8}}, {2}, {}},
             {"fc", linear, {3}, QParams{0.25f, 99, 8}}};
  g.outputs = {4};
  ModelFile file = model_of(std::move(g));
  file.recipe = {1, 4, 4, 255, {0.5f}, {0.25f}, {"zero", "one", "t\u00f6w"}, {}};
  return file;
}

}  // namespace icepoint::testing
