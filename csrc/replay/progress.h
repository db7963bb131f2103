// A line on the terminal for what takes longer than a second.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace icepoint {

/// "eval: 1,200 / 10,000 images, 12 s left" on stderr, rewritten four times a second and wiped at the
/// end; nothing where stderr is no terminal or the work is done within a second.
class Progress {
 public:
  Progress(std::string what, int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void update(int64_t done);

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  int64_t total_;
  bool terminal_, shown_ = false;
  Clock::time_point start_, next_;
};

}  // namespace icepoint
