// parallel_for: every index once, from any number of callers, nested, resized and forked.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/threads.h"

namespace {
bool forked_child = false;
}

// LeakSanitizer asks this when the program ends. In a forked child it would wait ten seconds for the parent's
// threads, which are not there.
extern "C" int __lsan_is_turned_off() {
  return forked_child;
}

namespace icepoint {
namespace {

/// Puts the number of threads back, so that tests do not depend on their order.
class RuntimeThreads : public testing::Test {
 protected:
  void TearDown() override { set_num_threads(before_); }
  const int before_ = num_threads();
};

/// How often each index of 0..count was in a part; parts shorter than `grain` fail the test.
std::vector<int> visits(int64_t count, int64_t grain) {
  std::vector<std::atomic<int>> seen(count);
  std::atomic<int64_t> shortest{count};
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++seen[i];
    int64_t least = shortest;
    while (end - begin < least && !shortest.compare_exchange_weak(least, end - begin)) {
    }
  });
  EXPECT_GE(shortest, std::min(grain, count)) << "count " << count << " grain " << grain;
  return {seen.begin(), seen.end()};
}

TEST_F(RuntimeThreads, EveryIndexOnceInPartsOfTheGrain) {
  for (int threads : {1, 2, 3, 4, 7}) {
    set_num_threads(threads);
    for (int64_t count : {1, 2, 3, 5, 16, 17, 1000})
      for (int64_t grain : {1, 2, 7, 999, 5000})
        EXPECT_EQ(visits(count, grain), std::vector<int>(count, 1))
            << "threads " << threads << " count " << count << " grain " << grain;
  }
}

TEST_F(RuntimeThreads, NothingToDoCallsNothing) {
  for (int64_t count : {0, -1, -1000})
    parallel_for(count, 1, [](int64_t, int64_t) { FAIL() << "called for an empty range"; });
}

/// The caller waits inside its part until another thread has taken one; serial execution would end the wait
/// only by its limit of ten seconds.
bool reaches_another_thread() {
  std::atomic<int> arrived{0};
  parallel_for(2, 1, [&](int64_t, int64_t) {
    ++arrived;
    for (int i = 0; i < 2000 && arrived < 2; ++i) usleep(5000);
  });
  return arrived == 2;
}

TEST_F(RuntimeThreads, WorkReachesOtherThreads) {
  set_num_threads(2);
  EXPECT_TRUE(reaches_another_thread());
}

TEST_F(RuntimeThreads, ANestedCallRunsInItsCaller) {
  set_num_threads(4);
  std::vector<std::atomic<int>> seen(64 * 64);
  std::atomic<int> elsewhere{0};
  parallel_for(64, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto self = std::this_thread::get_id();
      parallel_for(64, 1, [&](int64_t b, int64_t e) {
        if (std::this_thread::get_id() != self) ++elsewhere;
        for (int64_t j = b; j < e; ++j) ++seen[i * 64 + j];
      });
    }
  });
  EXPECT_EQ(elsewhere, 0);
  for (const std::atomic<int>& count : seen) EXPECT_EQ(count, 1);
}

TEST_F(RuntimeThreads, ConcurrentCallersAndChangesOfTheNumber) {
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (int n = 1; !stop; n = n % 5 + 1) {
      set_num_threads(n);
      usleep(200);
    }
  });
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  constexpr int64_t kCallers = 8, kCalls = 300, kCount = 257;
  for (int64_t t = 0; t < kCallers; ++t)
    callers.emplace_back([&] {
      for (int64_t call = 0; call < kCalls; ++call)
        parallel_for(kCount, 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) total += i;
        });
    });
  for (std::thread& caller : callers) caller.join();
  stop = true;
  changer.join();
  EXPECT_EQ(total, kCallers * kCalls * kCount * (kCount - 1) / 2);
}

TEST_F(RuntimeThreads, ResultsArePublishedToTheCaller) {
  set_num_threads(4);
  std::vector<int64_t> values(1000);  // plain memory: a thread sanitizer would see a missing order
  for (int64_t round = 0; round < 500; ++round) {
    parallel_for(1000, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) values[i] += i;
    });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}), (round + 1) * 1000 * 999 / 2);
  }
}

TEST_F(RuntimeThreads, NumbersOutsideTheirRangeAreRefused) {
  set_num_threads(3);
  for (int n : {0, -1, 257, 1 << 30}) EXPECT_THROW(set_num_threads(n), std::invalid_argument) << n;
  EXPECT_EQ(num_threads(), 3);
}

/// Runs `body` in a forked child that an alarm kills after 30 seconds; true if it returned true. The child
/// leaves through exit(), which joins whatever threads it believes to have.
template <class Body>
bool in_child(const Body& body) {
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    forked_child = true;
    exit(body() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// ThreadSanitizer ends a forked child that starts threads, with die_after_fork=0 too ("dup thread with used
// id"): there these tests say so and stop.
#if defined(__SANITIZE_THREAD__)
constexpr bool kForkedChildMayHaveThreads = false;
#else
constexpr bool kForkedChildMayHaveThreads = true;
#endif

bool sums_right() {
  std::atomic<int64_t> sum{0};
  parallel_for(1000, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sum += i;
  });
  return sum == 1000 * 999 / 2;
}

TEST_F(RuntimeThreads, AForkedChildHasThreadsOfItsOwn) {
  if (!kForkedChildMayHaveThreads) GTEST_SKIP() << "ThreadSanitizer allows a forked child no threads";
  set_num_threads(4);
  ASSERT_TRUE(sums_right());  // the parent's workers exist when it forks
  EXPECT_TRUE(in_child([] { return reaches_another_thread() && in_child(reaches_another_thread); }));
  EXPECT_TRUE(in_child([] {
    set_num_threads(2);  // must not wait for the parent's workers
    return sums_right();
  }));
  EXPECT_TRUE(in_child([] { return true; })) << "leaving without a call hangs";
  EXPECT_TRUE(reaches_another_thread()) << "the parent has lost its workers";
}

TEST_F(RuntimeThreads, AForkDuringAnothersCallDoesNotHang) {
  if (!kForkedChildMayHaveThreads) GTEST_SKIP() << "ThreadSanitizer allows a forked child no threads";
  set_num_threads(4);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) sums_right();
  });
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(in_child([] { return sums_right() && reaches_another_thread(); })) << "fork " << i;
  stop = true;
  busy.join();
}

/// The text of what num_threads() throws in a fresh process with this ICEPOINT_THREADS, or its number.
std::string first_use(const char* variable) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    setenv("ICEPOINT_THREADS", variable, 1);
    execl("/proc/self/exe", "icepoint_tests", "--gtest_filter=RuntimeThreadsFirstUse.Prints",
          static_cast<char*>(nullptr));
    _exit(1);
  }
  close(ends[1]);
  std::string text;
  char buffer[256];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, got);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  const size_t begin = text.find("first use: ");
  return begin == std::string::npos ? text : text.substr(begin + 11, text.find('\n', begin) - begin - 11);
}

// What the test below runs in a process of its own; alone it only shows the machine's answer.
TEST(RuntimeThreadsFirstUse, Prints) {
  try {
    const int n = num_threads();
    printf("first use: %d\n", n);
    EXPECT_EQ(num_threads(), n);
  } catch (const std::invalid_argument& error) {
    printf("first use: %s\n", error.what());
    EXPECT_THROW(parallel_for(10, 1, [](int64_t, int64_t) {}), std::invalid_argument);
    set_num_threads(2);
    EXPECT_EQ(num_threads(), 2);
  }
  fflush(stdout);
}

TEST_F(RuntimeThreads, TheVariableIsReadAndWrongOnesAreRefusedInWords) {
  EXPECT_EQ(first_use("3"), "3");
  EXPECT_EQ(first_use("256"), "256");
  for (const char* wrong : {"", "0", "257", "-1", "two", "2 ", "1e3", "99999999999999999999"})
    EXPECT_EQ(first_use(wrong), std::string("ICEPOINT_THREADS: '") + wrong +
                                    "' is not in 1..256; set a number of threads or unset it");
}

}  // namespace
}  // namespace icepoint
