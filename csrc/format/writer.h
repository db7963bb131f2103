// A ModelFile to its one canonical sequence of bytes, and to disk.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "format/file.h"

namespace icepoint {

/// Validates the model and returns the file's bytes: equal models give equal bytes, and
/// read_model(write_model(m)) accepts them. Throws std::invalid_argument where the model is unsound.
std::vector<uint8_t> write_model(const ModelFile&);

/// The graph of a header's JSON text and named tensors ("conv1.weight"): how Python hands over
/// a graph. Same strictness as reading a file; throws std::invalid_argument.
Graph parse_graph(const std::string& json, const std::map<std::string, Tensor>& tensors);
std::string graph_json(const Graph&);

/// Writes a temporary file beside `path`, fsyncs, renames, fsyncs the folder: `path` holds the old
/// file or the whole new one, never a part. Throws std::system_error.
void save_atomically(const std::string& path, std::span<const uint8_t> bytes);

}  // namespace icepoint
