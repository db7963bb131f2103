// The float environment of the few float steps: round to nearest, subnormals kept.
#pragma once

#include <cfenv>
#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace icepoint {

/// While alive, this thread rounds to nearest-even and neither flushes nor zeroes subnormals;
/// the caller's modes come back afterwards. A library linked with -ffast-math, fesetround or
/// torch.set_flush_denormal(True) therefore cannot change a quantized byte.
class FloatEnv {
 public:
  FloatEnv() {
#if defined(__SSE2__)
    saved_ = _mm_getcsr();
    // 0x1F80: all exceptions masked, round to nearest, FTZ (bit 15) and DAZ (bit 6) off.
    _mm_setcsr(0x1F80u);
#elif defined(__aarch64__)
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
#else
    saved_ = std::fegetround();
    std::fesetround(FE_TONEAREST);
#endif
  }
  ~FloatEnv() {
#if defined(__SSE2__)
    _mm_setcsr(saved_);
#elif defined(__aarch64__)
    asm volatile("msr fpcr, %0" : : "r"(saved_));
#else
    std::fesetround(saved_);
#endif
  }
  FloatEnv(const FloatEnv&) = delete;
  FloatEnv& operator=(const FloatEnv&) = delete;

 private:
#if defined(__SSE2__)
  uint32_t saved_;
#elif defined(__aarch64__)
  uint64_t saved_;
#else
  int saved_;
#endif
};

}  // namespace icepoint
