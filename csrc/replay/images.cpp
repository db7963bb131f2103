// Telling files apart and decoding the two picture formats.
#include "replay/images.h"

#include <algorithm>
#include <string_view>

#include "core/check.h"
#include "replay/jpeg.h"
#include "replay/png.h"

namespace icepoint {

FileKind kind_of(const Bytes& file) {
  const auto starts = [&](std::string_view magic) {
    return file.size() >= magic.size() &&
           std::equal(magic.begin(), magic.end(), file.begin(),
                      [](char m, uint8_t b) { return static_cast<uint8_t>(m) == b; });
  };
  if (starts("\x89PNG\r\n\x1a\n")) return FileKind::png;
  if (starts("\xff\xd8\xff")) return FileKind::jpeg;
  if (starts("\x93NUMPY")) return FileKind::npy;
  if (starts("PK\x03\x04")) return FileKind::pt;
  if (starts("\x1f\x8b")) return FileKind::gzip;
  if (starts({"\0\0\x08", 3})) return FileKind::idx;
  return FileKind::unknown;
}

Image decode_image(const Bytes& file) {
  switch (kind_of(file)) {
    case FileKind::png:
      return decode_png(file);
    case FileKind::jpeg:
      return decode_jpeg(file);
    default:
      fail("neither PNG nor JPEG");
  }
}

Image read_image(const std::string& path) {
  const Bytes file = read_file(path);
  try {
    return decode_image(file);
  } catch (const std::invalid_argument& e) {
    fail(path, ": ", e.what());
  }
}

}  // namespace icepoint
