// Files of pixels: what kind of file it is, by its first bytes and never by its name.
#pragma once

#include <string>

#include "image/pixels.h"
#include "replay/files.h"

namespace icepoint {

enum class FileKind { png, jpeg, npy, pt, idx, gzip, unknown };
FileKind kind_of(const Bytes&);

/// For messages.
inline constexpr const char* kKnownKinds =
    ".png, .jpg, .npy, .pt (torch.save of a tensor) or IDX (plain or .gz)";

/// The upright picture in a PNG or JPEG file, grey or RGB. Throws std::invalid_argument for anything
/// else; read_image opens its text by `path`.
Image decode_image(const Bytes& file);
Image read_image(const std::string& path);

}  // namespace icepoint
