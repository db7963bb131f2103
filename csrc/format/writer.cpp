// A proved model to its one sequence of bytes.
#include "format/writer.h"

#include <cstring>

#include "format/digest.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/metadata.h"

namespace icepoint {

std::vector<uint8_t> write_model(const ModelFile& file) {
  const Proof proof = validate(file.graph);
  Header header;
  header.metadata = emit_metadata(file, proof);
  header.metadata["digest"] = std::string(kDigestChars, '0');
  auto tensors = graph_tensors(file.graph);
  for (size_t i = 0; i < file.self_check.inputs.size(); ++i)
    tensors["self_check." + std::to_string(i)] = file.self_check.inputs[i];
  for (const auto& [name, tensor] : tensors)
    header.tensors.push_back({name, tensor.dtype, tensor.shape, 0, 0});
  place_tensors(header.tensors);

  const std::string text = emit_header(header);
  const size_t payload = kLengthBytes + text.size();
  std::vector<uint8_t> bytes(payload + static_cast<size_t>(header.payload_bytes()));
  check_header_size(text.size(), bytes.size());
  for (size_t i = 0; i < kLengthBytes; ++i) bytes[i] = static_cast<uint8_t>(text.size() >> (8 * i));
  std::memcpy(bytes.data() + kLengthBytes, text.data(), text.size());
  for (const TensorEntry& entry : header.tensors)
    std::memcpy(bytes.data() + payload + entry.begin, tensors[entry.name].data.get(),
                static_cast<size_t>(entry.end - entry.begin));
  const std::string digest = sha256(bytes);
  std::memcpy(bytes.data() + kDigestOffset, digest.data(), digest.size());
  return bytes;
}

}  // namespace icepoint
