// The header of a frozen file: its metadata and its table of tensors, as text and as values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "format/file.h"

namespace icepoint {

/// Where a tensor lies: bytes begin..end of the payload.
struct TensorEntry {
  std::string name;
  DType dtype = DType::u8;
  Shape shape;
  int64_t begin = 0, end = 0;
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;  // in payload order
  int64_t payload_bytes() const { return tensors.empty() ? 0 : tensors.back().end; }
};

/// Orders the entries as the payload does and gives each its place. Throws where a shape's bytes pass
/// int64 or a rank is not in 1..4.
void place_tensors(std::vector<TensorEntry>& tensors);

/// The one text of a header, padded for the payload's alignment.
std::string emit_header(const Header&);

/// The header of `text`. Refuses every text but the one that emit_header gives for it. Knows format
/// and version; whether metadata and tensors make a model is the reader's to find out.
Header parse_header(std::string_view text);

/// Requires a header length that a file of `file_bytes` may have.
void check_header_size(uint64_t header_bytes, uint64_t file_bytes);

/// Every tensor of the graph under its name in the file.
std::map<std::string, Tensor> graph_tensors(const Graph&);

}  // namespace icepoint
