// A file's bytes, whole: opened once, so that what was examined is what is read.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "format/layout.h"
#include "format/reader.h"
#include "graph/text.h"

namespace icepoint {

namespace {

[[noreturn]] void fail_errno(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

struct OpenFile {
  int fd;
  ~OpenFile() {
    if (fd >= 0) ::close(fd);
  }
};

void read_at(int fd, int64_t offset, std::span<uint8_t> bytes, const std::string& path) {
  constexpr size_t kChunk = size_t{1} << 30;  // the system cuts longer reads short anyway
  while (!bytes.empty()) {
    const ssize_t count = ::pread(fd, bytes.data(), std::min(bytes.size(), kChunk), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno(errno, "cannot read " + in_quotes(path));
    if (count == 0) throw ModelFileError(in_quotes(path) + ": became shorter while it was read");
    offset += count;
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

}  // namespace

FileBytes load_bytes(const std::string& path) {
  if (path.find('\0') != std::string::npos) fail_errno(EINVAL, "cannot open " + in_quotes(path));
  // O_NONBLOCK: opening a FIFO that nobody writes would wait for ever.
  const OpenFile file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail_errno(errno, "cannot open " + in_quotes(path));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail_errno(errno, "cannot examine " + in_quotes(path));
  if (!S_ISREG(status.st_mode)) throw ModelFileError(in_quotes(path) + ": is not a regular file");

  FileBytes bytes;
  bytes.size = static_cast<size_t>(status.st_size);
  // A huge or sparse file that is none of ours costs these few bytes and not its size.
  std::array<uint8_t, kDigestOffset + kDigestChars + 1> opening;
  if (bytes.size >= opening.size()) {
    read_at(file.fd, 0, opening, path);
    try {
      peek_digest(opening);
    } catch (const ModelFileError& error) {
      throw ModelFileError(in_quotes(path) + ": " + error.what());
    }
  }
  const std::shared_ptr<uint8_t> data(new uint8_t[bytes.size + 1], std::default_delete<uint8_t[]>());
  read_at(file.fd, 0, {data.get(), bytes.size}, path);
  bytes.data = data;
  return bytes;
}

ModelFile load_model(const std::string& path) {
  FileBytes file = load_bytes(path);
  try {
    return read_model(std::move(file.data), file.size);
  } catch (const ModelFileError& error) {
    throw ModelFileError(in_quotes(path) + ": " + error.what());
  }
}

}  // namespace icepoint
