// Portable quantize: the same division and rounding, without a call for each element.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/portable/table.h"
#include "kernels/portable/vec.h"

namespace icepoint::portable {

namespace {

// 2^23 + 2^22: in its binade floats are the integers, so adding and subtracting it rounds to the
// nearest integer, ties to even, for every abs(v) < 2^21 (under the caller's FloatEnv).
constexpr float kRound = 12582912.0f;
// No code is that far from the zero point; a clamp here keeps infinities away from the conversion.
constexpr float kFar = 65536.0f;

using F32x4 = float __attribute__((vector_size(16)));

inline F32x4 clamped(F32x4 v, float lo, float hi) {
  const F32x4 least = F32x4{} + lo, most = F32x4{} + hi;
  v = v < most ? v : most;
  return v > least ? v : least;
}

// Codes of x[0..n-1], n <= 4.
inline I32x4 codes4(const float* x, int64_t n, const QuantizeArgs& a) {
  F32x4 v{};
  std::memcpy(&v, x, n * sizeof(float));
  v /= a.scale;
  v = v == v ? v : F32x4{};  // NaN becomes the zero point
  v = clamped(v, -kFar, kFar);
  v = (v + kRound) - kRound + static_cast<float>(a.zero_point);
  v = clamped(v, static_cast<float>(a.lo), static_cast<float>(a.hi));
  return __builtin_convertvector(v, I32x4);
}

template <class Code>
void quantize_as(const QuantizeArgs& args, Code* y) {
  const QuantizeArgs a = args;  // a copy, because a store to y might change `args` for all the compiler knows
  int64_t i = a.begin;
  if constexpr (std::is_same_v<Code, uint8_t>)
    for (; i + 8 <= a.end; i += 8)
      store8(codes4(a.x + i, 4, a), codes4(a.x + i + 4, 4, a), a.lo, a.hi, y + i);
  for (; i < a.end; i += 4) {
    const int64_t n = std::min<int64_t>(a.end - i, 4);
    const I32x4 codes = codes4(a.x + i, n, a);
    for (int64_t j = 0; j < n; ++j) y[i + j] = static_cast<Code>(codes[j]);
  }
}

}  // namespace

void quantize(const QuantizeArgs& a) {
  if (a.lo < 0)
    quantize_as(a, static_cast<int8_t*>(a.y));
  else
    quantize_as(a, static_cast<uint8_t*>(a.y));
}

}  // namespace icepoint::portable
