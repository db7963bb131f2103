// Seeded data of one case, with its extremes.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/multiplier.h"
#include "layers/layers.h"

namespace icepoint {

/// Random numbers of one case; the seed is printed with every failure.
class CaseData {
 public:
  explicit CaseData(uint32_t seed) : seed_(seed), random_(seed) {}

  std::string name() const { return "seed " + std::to_string(seed_); }
  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random_); }
  bool chance(int one_in) { return pick(1, one_in) == 1; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[pick(0, static_cast<int64_t>(values.size()) - 1)];
  }

  /// n values in lo..hi: random, or all lo, all hi, lo and hi in turn, a few extremes among many.
  template <class T>
  std::vector<T> fill(int64_t n, int64_t lo, int64_t hi) {
    std::vector<T> values(n);
    const int64_t kind = pick(0, 9);
    for (int64_t i = 0; i < n; ++i) {
      const bool high = kind == 1 || (kind == 2 && i % 2 == 0) || (kind == 3 && chance(2));
      const bool random = kind > 3 && !(kind == 4 && chance(4));
      values[i] = static_cast<T>(random ? pick(lo, hi) : high ? hi : lo);
    }
    return values;
  }
  std::vector<uint8_t> codes(int64_t n) { return fill<uint8_t>(n, 0, 255); }

  OutputRange range() {
    OutputRange r{static_cast<int32_t>(one_of<int64_t>({0, 255, 128, pick(0, 255)})), 0, 255};
    if (chance(3)) r.lo = r.zero_point;  // a fused ReLU
    if (chance(3)) r.hi = static_cast<int32_t>(pick(r.lo, 255));
    return r;
  }

  /// Pairs that a file may hold; half of them bring sums of about `size` into the codes' range.
  void requant(int64_t n, double size, std::vector<int32_t>& multiplier, std::vector<int32_t>& shift) {
    multiplier.resize(n), shift.resize(n);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t exponent = chance(2) ? pick(-8, 1) : pick(-60, 20);
      const double M =
          std::ldexp(static_cast<double>(pick(1 << 20, 1 << 21)), static_cast<int>(exponent) - 20);
      const Multiplier q = quantize_multiplier(std::min(M * 255 / size, 0x1p28));
      multiplier[i] = q.multiplier, shift[i] = q.shift;
      if (chance(4)) multiplier[i] = 1 << 30;  // a power of two, so that ties are frequent
    }
  }

 private:
  uint32_t seed_;
  std::mt19937 random_;
};

}  // namespace icepoint
