// Measures what the CPU can do right now: clock, int8 multiply-add rate of each instruction set, memory read
// rate.
//
// Reads lines "THREADS MILLISECONDS MEMORY_MB" from stdin and answers each with one line of JSON. The rates
// are sums over threads that run at once, in 1e12 operations a second; a multiplication and an addition are
// two.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

/// Does `count` steps, all in volatile asm so that no compiler merges or drops one.
using Loop = void (*)(int64_t count);

struct Probe {
  const char* name;
  double operations;  // in one step
  Loop loop;
};

void dependent_multiplications(int64_t count) {
  uint64_t x = 3;
  for (int64_t i = 0; i < count; ++i) {
    x *= x;
    __asm__ volatile("" : "+r"(x));  // else the compiler would find shorter ways to a power
  }
}

#if defined(__x86_64__)
// Independent sums: a latency of 4 to 5 cycles times 2 instructions a cycle needs 10 of them.
constexpr int kChains = 12;

__attribute__((target("avx512f,avx512vnni"))) void avx512_vnni(int64_t count) {
  __m512i sums[kChains] = {};
  for (int64_t i = 0; i < count; ++i)
#pragma GCC unroll 12
    for (__m512i& sum : sums) __asm__ volatile("vpdpbusd %0, %0, %0" : "+v"(sum));
}

__attribute__((target("avx2,avxvnni"))) void avx_vnni(int64_t count) {
  __m256i sums[kChains] = {};
  for (int64_t i = 0; i < count; ++i)
#pragma GCC unroll 12
    for (__m256i& sum : sums) __asm__ volatile("%{vex%} vpdpbusd %0, %0, %0" : "+x"(sum));
}

// The exact form without VNNI: 16-bit products summed in pairs, then added.
__attribute__((target("avx2"))) void avx2_pairs(int64_t count) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kChains] = {};
  for (int64_t i = 0; i < count; ++i)
#pragma GCC unroll 12
    for (__m256i& sum : sums) {
      __m256i product;
      __asm__ volatile("vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(product) : "x"(ones));
    }
}

void amx_int8(int64_t count) {
  struct alignas(64) Config {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } config;
  for (int tile = 0; tile < 8; ++tile) config.row_bytes[tile] = 64, config.rows[tile] = 16;
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
  for (int64_t i = 0; i < count; ++i)
    __asm__ volatile(
        "tdpbusd %tmm6, %tmm4, %tmm0\n\ttdpbusd %tmm7, %tmm4, %tmm1\n\t"
        "tdpbusd %tmm6, %tmm5, %tmm2\n\ttdpbusd %tmm7, %tmm5, %tmm3");
  __asm__ volatile("tilerelease");
}

bool cpuid_bit(unsigned leaf, unsigned subleaf, int reg, int bit) {
  unsigned r[4] = {};
  return __get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]) && (r[reg] >> bit & 1) != 0;
}

/// Linux gives the tile registers only to a process that asks: ARCH_REQ_XCOMP_PERM, XTILEDATA.
bool may_use_amx() {
  enum { kEdx = 3, kAmxTile = 24, kAmxInt8 = 25 };
  return cpuid_bit(7, 0, kEdx, kAmxTile) && cpuid_bit(7, 0, kEdx, kAmxInt8) &&
         syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

std::vector<Probe> probes() {
  enum { kEax = 0, kAvxVnni = 4 };
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  std::vector<Probe> found;
  if (may_use_amx()) found.push_back({"amx", 4 * 2.0 * 16 * 16 * 64, amx_int8});
  if (__builtin_cpu_supports("avx512vnni")) found.push_back({"avx512vnni", kChains * 2.0 * 64, avx512_vnni});
  if (has_avx2 && cpuid_bit(7, 1, kEax, kAvxVnni)) found.push_back({"avxvnni", kChains * 2.0 * 32, avx_vnni});
  if (has_avx2) found.push_back({"avx2", kChains * 2.0 * 16, avx2_pairs});
  return found;
}
#else
std::vector<Probe> probes() {
  return {};
}
#endif

/// Runs `work(thread)` on so many threads at once; the sum of what they return.
double on_threads(int threads, const std::function<double(int)>& work) {
  std::vector<double> results(static_cast<size_t>(threads));
  std::atomic<int> waiting{threads};
  const auto body = [&](int t) {
    for (--waiting; waiting > 0;) {
    }
    results[static_cast<size_t>(t)] = work(t);
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(body, t);
  body(0);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (const double result : results) sum += result;
  return sum;
}

/// Steps a second over `milliseconds`, after a quarter of them for warming up.
double rate(Loop loop, double milliseconds) {
  const auto run_for = [&](double limit) {
    constexpr int64_t kSteps = 1000;  // some microseconds
    int64_t steps = 0;
    const auto begin = Clock::now();
    for (;;) {
      loop(kSteps);
      steps += kSteps;
      const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      if (seconds * 1e3 >= limit) return static_cast<double>(steps) / seconds;
    }
  };
  run_for(milliseconds / 4);
  return run_for(milliseconds);
}

/// Bytes a second of one pass over each thread's part of the buffer.
double read_rate(const std::vector<uint64_t>& buffer, int threads) {
  return on_threads(threads, [&](int t) {
    const size_t part = buffer.size() / static_cast<size_t>(threads);
    const uint64_t* words = buffer.data() + part * static_cast<size_t>(t);
    uint64_t sums[8] = {};
    const auto begin = Clock::now();
    for (size_t i = 0; i + 8 <= part; i += 8)
      for (size_t k = 0; k < 8; ++k) sums[k] += words[i + k];
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    for (uint64_t& sum : sums) __asm__ volatile("" : "+r"(sum));  // else nothing would be read
    return static_cast<double>(part * sizeof(uint64_t)) / seconds;
  });
}

}  // namespace

int main() {
  const std::vector<Probe> found = probes();
  int threads = 1;
  double milliseconds = 1;
  size_t memory_mb = 0;
  while (std::cin >> threads >> milliseconds >> memory_mb) {
    constexpr double kMultiplyLatency = 3;  // cycles of a 64-bit multiplication, on x86 since 2008
    std::cout << "{\"clock_ghz\": "
              << kMultiplyLatency * rate(dependent_multiplications, milliseconds) * 1e-9;
    std::cout << ", \"int8_tops\": {";
    for (const Probe& probe : found) {
      const double steps = on_threads(threads, [&](int) { return rate(probe.loop, milliseconds); });
      std::cout << (&probe == found.data() ? "\"" : ", \"") << probe.name
                << "\": " << steps * probe.operations * 1e-12;
    }
    std::cout << '}';
    if (memory_mb > 0) {
      const std::vector<uint64_t> buffer(memory_mb * 1024 * 1024 / sizeof(uint64_t), 1);
      std::cout << ", \"read_gbs\": " << read_rate(buffer, threads) * 1e-9;
    }
    std::cout << '}' << std::endl;
  }
}
