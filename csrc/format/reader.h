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

/// Opens once, checks that it is a regular file, reads it whole. Throws ModelFileError for what is
/// malformed and std::system_error where the file cannot be opened or read.
ModelFile load_model(const std::string& path);

/// The digest field of a frozen file, without verifying it; throws ModelFileError where the bytes
/// cannot be one. Constant time: the field has a fixed place.
std::string peek_digest(std::span<const uint8_t> bytes);

}  // namespace icepoint
