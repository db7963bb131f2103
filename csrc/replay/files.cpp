// Reading a whole regular file.
#include "replay/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/check.h"

namespace icepoint {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void fail_errno(const std::string& path) {
  throw std::system_error(errno, std::generic_category(), path);
}

}  // namespace

Bytes read_file(const std::string& path) {
  // O_NONBLOCK: opening a FIFO that nobody writes to returns at once; a regular file ignores it.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail_errno(path);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail_errno(path);
  require(S_ISREG(info.st_mode), path, ": ", S_ISDIR(info.st_mode) ? "a folder" : "a device or FIFO",
          ", expected a regular file");
  require(info.st_size <= kMaxFileBytes, path, ": ", info.st_size, " bytes are more than ", kMaxFileBytes);
  Bytes bytes(static_cast<size_t>(info.st_size));
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got = ::read(file.fd, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(path);
    require(got > 0, path, ": ended after ", done, " of ", bytes.size(),
            " bytes; it changed while being read");
    done += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace icepoint
