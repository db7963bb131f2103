// Bytes to a proved ModelFile; everything else is refused with one ModelFileError.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "format/file.h"

namespace icepoint {

/// Reads and proves a frozen file; tensors are views into `bytes`, which they keep alive.
/// Throws ModelFileError naming the place; never crashes, whatever the bytes are.
ModelFile read_model(std::shared_ptr<const uint8_t> bytes, size_t size);

/// A whole file in memory.
struct FileBytes {
  std::shared_ptr<const uint8_t> data;
  size_t size = 0;
};

/// Opens once, checks that it is a regular file that opens like a frozen model, reads it whole. Throws
/// ModelFileError where it is none and std::system_error where it cannot be opened or read.
FileBytes load_bytes(const std::string& path);

/// read_model of load_bytes; the messages open with the path. Does not run the self-check: verify() does.
///   auto file = std::make_shared<const ModelFile>(load_model("net.ice"));
ModelFile load_model(const std::string& path);

/// The digest field of a frozen file, without verifying it; throws ModelFileError where the bytes
/// cannot be one. Constant time: the field has a fixed place.
std::string peek_digest(std::span<const uint8_t> bytes);

}  // namespace icepoint
