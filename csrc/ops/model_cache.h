// Prepared models, one a frozen file and process: what run() and Python's Model share.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "runtime/model.h"

namespace icepoint::ops {

// Ends the refusal of an input of another shape than the file's.
inline constexpr const char* kOneSize =
    "; a file is for one size: resize the input, or freeze for this size, q.freeze(height=..., width=...)";

using ModelPtr = std::shared_ptr<const Model>;

/// The prepared model of a frozen file whose digest field is `digest`. A model that is alive somewhere,
/// or among the last few used, is found by digest and size alone; otherwise they are copied, read,
/// verified against their digest and prepared. Throws ModelFileError where they are no sound file.
ModelPtr cached_model(std::span<const uint8_t> bytes, const std::string& digest);

/// Reads and verifies `bytes` in every case, then shares the prepared model of the same file if one is alive.
ModelPtr load_shared(std::span<const uint8_t> bytes);

/// A model of its own, prepared for the instruction set of that name.
ModelPtr load_for_isa(std::span<const uint8_t> bytes, const std::string& isa);

}  // namespace icepoint::ops
