// Asks CPUID for the instructions and XCR0 for the registers that the operating system saves.
#include "kernels/cpu.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace icepoint {

namespace {

#if defined(__x86_64__)
bool all(uint64_t value, uint64_t bits) {
  return (value & bits) == bits;
}

// The register sets that are saved at a switch of threads. Without a saved set its instructions trap.
uint64_t saved_registers() {
  uint32_t low = 0, high = 0;
  // xgetbv by its bytes: the mnemonic needs a target of its own.
  __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

Cpu ask() {
  Cpu cpu;
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kOsxsave = 1u << 27;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !all(c, kOsxsave)) return cpu;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return cpu;
  const uint64_t saved = saved_registers();
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;
  constexpr unsigned kAvx2 = 1u << 5;                                      // ebx
  constexpr unsigned kAvx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // ebx: F, DQ, BW, VL
  constexpr unsigned kVnni = 1u << 11;                                     // ecx
  constexpr unsigned kVbmi = 1u << 1;                                      // ecx
  constexpr unsigned kAmx = 1u << 24 | 1u << 25;                           // edx: TILE, INT8
  cpu.avx2 = all(b, kAvx2) && all(saved, kYmm);
  cpu.avx512vnni = cpu.avx2 && all(b, kAvx512) && all(c, kVnni) && all(saved, kZmm);
  cpu.avx512vbmi = cpu.avx512vnni && all(c, kVbmi);
  cpu.amx = cpu.avx512vnni && all(d, kAmx) && all(saved, kTiles);
  return cpu;
}
#else
Cpu ask() {
  return {};
}
#endif

}  // namespace

const Cpu& cpu() {
  static const Cpu cpu = ask();
  return cpu;
}

}  // namespace icepoint
