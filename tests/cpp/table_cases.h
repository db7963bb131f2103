// Tests over tables of kernels: seeded data with its extremes, and a judge that runs layers in pieces.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/multiplier.h"
#include "kernels/select.h"
#include "layers/layers.h"

namespace icepoint {

/// A suite that runs once for each table of this machine: INSTANTIATE_TABLES(Suite).
class TableTest : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& table() const { return kernels(GetParam()); }
  const Kernels& reference() const { return kernels("reference"); }
};
#define INSTANTIATE_TABLES(Suite) \
  INSTANTIATE_TEST_SUITE_P(Isas, Suite, testing::ValuesIn(isas()), [](const auto& i) { return i.param; })

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

inline std::vector<const uint8_t*> pointers(const std::vector<std::vector<uint8_t>>& xs) {
  std::vector<const uint8_t*> p;
  for (const auto& x : xs) p.push_back(x.data());
  return p;
}

/// All units of a batch of n at once; `bytes` is the size of y.
inline std::vector<uint8_t> run_whole(const Layer& layer, const std::vector<std::vector<uint8_t>>& xs,
                                      int64_t n, int64_t bytes) {
  // int32 outputs need their alignment, which a vector of bytes has: it comes from operator new.
  std::vector<uint8_t> y(bytes, 0xA5);
  layer.run(pointers(xs).data(), y.data(), n, 0, layer.units(n));
  return y;
}

/// Runs the units in random pieces, in random order, over a buffer that holds the complement of what
/// is expected. So every byte must be written by exactly one piece, with the expected value, and
/// nothing around y may change.
inline void expect_pieces(const Layer& layer, const std::vector<std::vector<uint8_t>>& xs, int64_t n,
                          const std::vector<uint8_t>& expected, CaseData& data) {
  constexpr int64_t kGuard = 64;
  const int64_t units = layer.units(n), size = static_cast<int64_t>(expected.size());
  std::vector<int64_t> cuts{0, units};
  for (int i = 0; i < 3 && units > 1; ++i) cuts.push_back(data.pick(0, units));
  std::sort(cuts.begin(), cuts.end());
  std::vector<std::pair<int64_t, int64_t>> pieces;
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    pieces.insert(pieces.begin() + data.pick(0, i), {cuts[i], cuts[i + 1]});

  std::vector<uint8_t> y(size + 2 * kGuard, 0xC3);
  for (int64_t i = 0; i < size; ++i) y[kGuard + i] = static_cast<uint8_t>(~expected[i]);
  std::vector<bool> written(size, false);
  for (auto [begin, end] : pieces) {
    layer.run(pointers(xs).data(), y.data() + kGuard, n, begin, end);
    for (int64_t i = 0; i < size; ++i) {
      const bool now = y[kGuard + i] == expected[i];
      ASSERT_TRUE(now || y[kGuard + i] == static_cast<uint8_t>(~expected[i]))
          << data.name() << ": byte " << i << " of units " << begin << ".." << end << " is "
          << int{y[kGuard + i]} << ", expected " << int{expected[i]};
      if (!now) continue;
      ASSERT_FALSE(written[i]) << data.name() << ": byte " << i << " was written twice, by units " << begin
                               << ".." << end << " too";
      written[i] = true;
      y[kGuard + i] = static_cast<uint8_t>(~expected[i]);
    }
  }
  for (int64_t i = 0; i < size; ++i)
    ASSERT_TRUE(written[i]) << data.name() << ": byte " << i << " was not written";
  for (int64_t i = 0; i < kGuard; ++i)
    ASSERT_TRUE(y[i] == 0xC3 && y[kGuard + size + i] == 0xC3)
        << data.name() << ": bytes outside y were written";
}

using MakeLayer = std::function<LayerPtr(const Kernels&)>;

/// The layer of `table` gives the reference's bytes, whole and in pieces.
inline void expect_equal_tables(const Kernels& table, const MakeLayer& make,
                                const std::vector<std::vector<uint8_t>>& xs, int64_t n, int64_t bytes,
                                CaseData& data, const std::string& what) {
  const std::vector<uint8_t> expected = run_whole(*make(kernels("reference")), xs, n, bytes);
  const LayerPtr layer = make(table);
  const std::vector<uint8_t> found = run_whole(*layer, xs, n, bytes);
  for (int64_t i = 0; i < bytes; ++i)
    ASSERT_EQ(int{found[i]}, int{expected[i]})
        << table.name << ", byte " << i << ", " << what << ", " << data.name();
  expect_pieces(*layer, xs, n, expected, data);
}

}  // namespace icepoint
