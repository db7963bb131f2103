// Tests over tables of kernels: a judge that runs layers whole and in pieces, wherever values lie.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "kernels/select.h"
#include "laid.h"

namespace icepoint {

/// A suite that runs once for each table of this machine: INSTANTIATE_TABLES(Suite).
class TableTest : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& table() const { return kernels(GetParam()); }
  const Kernels& reference() const { return kernels("reference"); }
};
#define INSTANTIATE_TABLES(Suite) \
  INSTANTIATE_TEST_SUITE_P(Isas, Suite, testing::ValuesIn(isas()), [](const auto& i) { return i.param; })

/// What a layer writes: `bytes` a channel, 1 or (int32) 4, with pixels side by side or at random pitches.
struct Result {
  Extent extent;
  int64_t bytes = 1;
  bool dense = false;
};

/// Runs a layer over values that lie at random, and tells where its output lies.
class LayerRun {
 public:
  LayerRun(CaseData& data, const Layer& layer, const std::vector<Operand>& xs, int64_t n, const Result& y)
      : layer_(layer), n_(n), y_(output(data, n, y)) {
    for (size_t i = 0; i < xs.size(); ++i) xs_.push_back(Laid::input(data, n, xs[i], layer.halo(i)));
    for (const Laid& x : xs_) views_.push_back(x.view());
  }

  void units(int64_t begin, int64_t end) const { layer_.run(views_.data(), y_.output(), n_, begin, end); }
  Laid& y() { return y_; }

 private:
  static Laid output(CaseData& data, int64_t n, const Result& y) {
    const int64_t pixel = y.bytes * y.extent.c, gap = y.bytes * data.pick(1, 70);
    return Laid(data, n, y.extent, pixel, pixel + (y.dense || data.chance(2) ? 0 : gap), {}, y.bytes);
  }

  const Layer& layer_;
  int64_t n_;
  Laid y_;
  std::vector<Laid> xs_;
  std::vector<View> views_;
};

/// All units of a batch of n at once.
inline std::vector<uint8_t> run_whole(const Layer& layer, const std::vector<Operand>& xs, int64_t n,
                                      const Result& y, uint32_t seed = 0) {
  CaseData data(seed);
  LayerRun run(data, layer, xs, n, y);
  run.units(0, layer.units(n));
  EXPECT_TRUE(run.y().intact_around()) << "bytes outside y were written";
  return run.y().get();
}

/// Runs the units in random pieces, in random order, over a value that is the complement of what is
/// expected. So every byte must be written by exactly one piece, with the expected value, and nothing
/// around y may change.
inline void expect_pieces(const Layer& layer, const std::vector<Operand>& xs, int64_t n, const Result& y,
                          const std::vector<uint8_t>& expected, CaseData& data) {
  const int64_t units = layer.units(n);
  std::vector<int64_t> cuts{0, units};
  for (int i = 0; i < 3 && units > 1; ++i) cuts.push_back(data.pick(0, units));
  std::sort(cuts.begin(), cuts.end());
  std::vector<std::pair<int64_t, int64_t>> pieces;
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    pieces.insert(pieces.begin() + data.pick(0, i), {cuts[i], cuts[i + 1]});

  std::vector<uint8_t> complement = expected;
  for (uint8_t& byte : complement) byte = static_cast<uint8_t>(~byte);
  LayerRun run(data, layer, xs, n, y);
  run.y().put(complement);
  std::vector<bool> written(expected.size(), false);
  for (auto [begin, end] : pieces) {
    run.units(begin, end);
    const std::vector<uint8_t> found = run.y().get();
    for (size_t i = 0; i < expected.size(); ++i) {
      if (found[i] == complement[i]) continue;
      ASSERT_EQ(int{found[i]}, int{expected[i]})
          << data.name() << ": byte " << i << " of units " << begin << ".." << end;
      ASSERT_FALSE(written[i]) << data.name() << ": byte " << i << " was written twice, by units " << begin
                               << ".." << end << " too";
      written[i] = true;
    }
    run.y().put(complement);
  }
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_TRUE(written[i]) << data.name() << ": byte " << i << " was not written";
  ASSERT_TRUE(run.y().intact_around()) << data.name() << ": bytes outside y were written";
}

using MakeLayer = std::function<LayerPtr(const Kernels&)>;

/// The layer of `table` gives the reference's bytes, whole and in pieces.
inline void expect_equal_tables(const Kernels& table, const MakeLayer& make, const std::vector<Operand>& xs,
                                int64_t n, const Result& y, CaseData& data, const std::string& what) {
  const std::vector<uint8_t> expected = run_whole(*make(kernels("reference")), xs, n, y);
  const LayerPtr layer = make(table);
  const std::vector<uint8_t> found = run_whole(*layer, xs, n, y, static_cast<uint32_t>(data.pick(0, 1000)));
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_EQ(int{found[i]}, int{expected[i]})
        << table.name << ", byte " << i << ", " << what << ", " << data.name();
  expect_pieces(*layer, xs, n, y, expected, data);
}

}  // namespace icepoint
