// Atomic saving: a temporary file beside the target, flushed, then renamed over it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "format/writer.h"
#include "graph/text.h"

namespace icepoint {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_errno(int error, const fs::path& target) {
  throw std::system_error(error, std::generic_category(), "cannot save " + in_quotes(target.string()));
}

// A new file that disappears again unless it is renamed to its target.
class Temporary {
 public:
  // `mode` meets the process's umask, as for any new file.
  Temporary(const fs::path& target, mode_t mode) : target_(target) {
    static std::atomic<uint64_t> counter{0};
    const fs::path folder = target.has_parent_path() ? target.parent_path() : ".";
    do {
      path_ = folder / (".icepoint-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp");
      fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    } while (fd_ < 0 && errno == EEXIST);  // left behind by a process of this number that was killed
    if (fd_ < 0) fail_errno(errno, target_);
  }
  ~Temporary() {
    if (fd_ >= 0) ::close(fd_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  void write(std::span<const uint8_t> bytes) {
    constexpr size_t kChunk = size_t{1} << 30;  // the system cuts longer writes short anyway
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), std::min(bytes.size(), kChunk));
      if (count < 0 && errno != EINTR) fail_errno(errno, target_);
      if (count > 0) bytes = bytes.subspan(static_cast<size_t>(count));
    }
  }

  void keep_mode(mode_t mode) {
    if (::fchmod(fd_, mode) != 0) fail_errno(errno, target_);
  }

  // The bytes reach the disk before the name does; a close may be the first to report a failure.
  void rename() {
    if (::fsync(fd_) != 0) fail_errno(errno, target_);
    if (::close(std::exchange(fd_, -1)) != 0) fail_errno(errno, target_);
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail_errno(errno, target_);
    path_.clear();
  }

 private:
  fs::path target_, path_;
  int fd_ = -1;
};

// The new name itself reaches the disk. Some file systems cannot do this for a folder: EINVAL.
void sync_folder(const fs::path& target) {
  const fs::path folder = target.has_parent_path() ? target.parent_path() : ".";
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // a folder that may be written and not read: the file is complete all the same
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error != 0 && error != EINVAL) fail_errno(error, target);
}

}  // namespace

void save_atomically(const std::string& path, std::span<const uint8_t> bytes) {
  if (path.empty() || path.find('\0') != std::string::npos) fail_errno(EINVAL, path);
  fs::path target = path;
  std::error_code ignored;
  // A link stays a link: what it points to is replaced.
  if (fs::is_symlink(target, ignored)) target = fs::weakly_canonical(target);

  struct stat status {};
  const bool exists = ::stat(target.c_str(), &status) == 0;
  // Renaming would replace a folder's entry, a device or a FIFO by a plain file.
  if (exists && !S_ISREG(status.st_mode)) fail_errno(S_ISDIR(status.st_mode) ? EISDIR : EINVAL, target);

  Temporary file(target, 0666);
  if (exists) file.keep_mode(status.st_mode & 0777);
  file.write(bytes);
  file.rename();
  sync_folder(target);
}

}  // namespace icepoint
