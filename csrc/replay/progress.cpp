// The progress line; it never throws, so that it can be wiped while an error travels.
#include "replay/progress.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "runtime/table.h"

namespace icepoint {

Progress::Progress(std::string what, int64_t total)
    : what_(std::move(what)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      next_(start_ + std::chrono::seconds(1)) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::update(int64_t done) {
  const auto now = Clock::now();
  if (!terminal_ || now < next_ || done <= 0) return;
  next_ = now + std::chrono::milliseconds(250);
  shown_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double left = seconds * static_cast<double>(total_ - done) / static_cast<double>(done);
  std::fprintf(stderr, "\r\x1b[K%s: %s / %s images, %s s left", what_.c_str(),
               decimal(static_cast<double>(done), 0).c_str(), decimal(static_cast<double>(total_), 0).c_str(),
               decimal(left, 0).c_str());
}

}  // namespace icepoint
