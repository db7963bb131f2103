// The pool behind parallel_for: workers claim the parts of one call; started lazily, safe to fork.
#include "runtime/threads.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "core/check.h"

namespace icepoint {
namespace {

constexpr int kMaxThreads = 256;
// More parts than threads: a thread that wakes late, or whose CPU is taken away, leaves its share to
// the others.
constexpr int kPartsPerThread = 4;
// About 20 us: longer than the pause between two layers, shorter than anybody notices.
constexpr int kSpins = 1000;

using Part = std::function<void(int64_t, int64_t)>;

int allowed_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());  // more than 1024 CPUs: the mask is too small
}

int initial_threads() {
  const char* text = std::getenv("ICEPOINT_THREADS");
  if (!text) return std::clamp(allowed_cpus(), 1, kMaxThreads);
  int n = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, n);
  require(error == std::errc() && stop == end && n >= 1 && n <= kMaxThreads, "ICEPOINT_THREADS: '", text,
          "' is not in 1..", kMaxThreads, "; set a number of threads or unset it");
  return n;
}

std::atomic<int> wanted_threads{0};  // 0: the environment has not been read

void pause_cpu() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Returns once `value` may differ from `old`: spins, then sleeps until a notify.
void wait_while(const std::atomic<int>& value, int old) {
  for (int i = 0; i < kSpins; ++i, pause_cpu())
    if (value.load(std::memory_order_acquire) != old) return;
  value.wait(old, std::memory_order_acquire);
}

// True while this thread runs a part: a call from inside runs serially instead of waiting for itself.
thread_local bool inside = false;

class Pool {
 public:
  /// Runs all parts on the caller and up to threads - 1 workers. False: another call has the workers.
  bool run(int64_t count, int parts, int threads, const Part& part) {
    const std::unique_lock lock(busy_, std::try_to_lock);
    if (!lock || closed_) return false;
    resize(threads - 1);
    part_ = &part;
    count_ = count;
    parts_ = parts;
    unfinished_.store(parts, std::memory_order_relaxed);
    unclaimed_.store(parts, std::memory_order_release);
    wake();
    inside = true;
    work();
    inside = false;
    for (int left; (left = unfinished_.load(std::memory_order_acquire)) != 0;) wait_while(unfinished_, left);
    return true;
  }

  /// Joins the workers; later calls run serially.
  void close() {
    const std::lock_guard lock(busy_);
    closed_ = true;
    resize(0);
  }

 private:
  void wake() {
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
  }

  /// Claims parts until none is left. A claim succeeds only on the current value of unclaimed_, so the
  /// call it belongs to cannot have returned: its fields are safe to read, however late this thread is.
  void work() noexcept {
    int left = unclaimed_.load(std::memory_order_acquire);
    while (left > 0) {
      if (!unclaimed_.compare_exchange_weak(left, left - 1, std::memory_order_acquire)) continue;
      const int64_t i = parts_ - left, base = count_ / parts_, extra = count_ % parts_;
      const int64_t begin = i * base + std::min(i, extra);
      (*part_)(begin, begin + base + (i < extra));
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
      left = unclaimed_.load(std::memory_order_acquire);
    }
  }

  void worker(int index, int seen) {
    inside = true;
    for (;;) {
      wait_while(epoch_, seen);
      seen = epoch_.load(std::memory_order_acquire);
      if (index >= size_.load(std::memory_order_relaxed)) return;
      work();
    }
  }

  /// Starts or joins workers until there are `size`. Where the system grants fewer, fewer do the work.
  void resize(int size) {
    size_.store(size, std::memory_order_relaxed);
    if (size < started_) wake();
    while (started_ > size) workers_[--started_].join();
    if (started_ == size) return;
    // Signals are the business of the program's own threads; faults stay where they happen.
    sigset_t all, before;
    sigfillset(&all);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      for (; started_ < size; ++started_)
        workers_[started_] =
            std::thread(&Pool::worker, this, started_, epoch_.load(std::memory_order_relaxed));
    } catch (const std::exception&) {  // no more threads or memory
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  std::mutex busy_;  // held by the call that has the workers; guards the plain fields below
  bool closed_ = false;
  int started_ = 0;
  std::array<std::thread, kMaxThreads> workers_;
  const Part* part_ = nullptr;
  int64_t count_ = 0;
  int parts_ = 1;

  std::atomic<int> size_{0};                    // workers of a higher index end
  alignas(64) std::atomic<int> epoch_{0};       // grows with every call: what idle workers wait on
  alignas(64) std::atomic<int> unclaimed_{0};   // parts that no thread has taken yet
  alignas(64) std::atomic<int> unfinished_{0};  // parts that are not done
};

// The pool lies in static storage, so that a forked child can begin a new one over it: the threads of the
// old one do not exist there, its mutex may be held by one of them, and destroying it would wait or abort.
alignas(Pool) std::byte storage[sizeof(Pool)];
Pool& pool() {
  return *std::launder(reinterpret_cast<Pool*>(storage));
}
void new_pool() {
  new (storage) Pool;
}

// Built when the library is loaded, not at the first call: a lock around that call could be forked, held.
struct PoolLife {
  PoolLife() {
    new_pool();
    pthread_atfork(nullptr, nullptr, new_pool);
  }
  ~PoolLife() { pool().close(); }
};
const PoolLife pool_life;

}  // namespace

int num_threads() {
  int n = wanted_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    const int initial = initial_threads();
    if (wanted_threads.compare_exchange_strong(n, initial, std::memory_order_relaxed)) n = initial;
  }
  return n;
}

void set_num_threads(int n) {
  require_range(n, 1, kMaxThreads, "set_num_threads");
  wanted_threads.store(n, std::memory_order_relaxed);
}

void parallel_for(int64_t count, int64_t grain, const Part& part) {
  if (count <= 0) return;
  const int threads = inside ? 1 : num_threads();
  const int64_t parts =
      std::min<int64_t>(int64_t{threads} * kPartsPerThread, count / std::max<int64_t>(grain, 1));
  if (threads > 1 && parts > 1 && pool().run(count, static_cast<int>(parts), threads, part)) return;
  part(0, count);
}

}  // namespace icepoint
