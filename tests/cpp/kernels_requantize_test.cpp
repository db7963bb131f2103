// Requantization at the ends of its shifts gives the reference's bytes: each accumulator is a bias.
#include "conv_cases.h"

namespace icepoint {
namespace {

class RequantizeTables : public TableTest {};
INSTANTIATE_TABLES(RequantizeTables);

TEST_P(RequantizeTables, EveryShiftAtItsEnds) {
  constexpr int32_t kMost = 2147483647;
  // Around 0, around the largest that a shift of 2..33 tells from its neighbours, and at the ends of int32.
  std::vector<int32_t> around{0, 1, 2, 3, 255, 1 << 20, 1 << 29, 1 << 30, kMost - 1, kMost};
  for (size_t i = 0, n = around.size(); i < n; ++i) around.push_back(-around[i] - 1);
  std::vector<int32_t> bias, multiplier, shift;
  for (int32_t s = 2; s <= 54; ++s)
    for (const int32_t m : {1 << 30, (1 << 30) + 1, kMost})
      for (const int32_t acc : around) bias.push_back(acc), multiplier.push_back(m), shift.push_back(s);
  const int64_t oc = std::ssize(bias);
  const std::vector<int16_t> weights(static_cast<size_t>(oc), 0);
  const HeldRows rows(weights, 1);
  CaseData data(1);
  for (const OutputRange range : {OutputRange{0, 0, 255}, OutputRange{255, 0, 255}, OutputRange{7, 3, 200}})
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return make_qconv2d(k, {1, 1, 1}, {.kernel = {1, 1}}, 1, oc, 0, {rows, WeightKind::i8, {}, bias},
                              ChannelRequant{multiplier, shift, range}, {});
        },
        {Operand{{1, 1, 1}, {200}, 0, 1}}, 1, Result{{1, 1, oc}}, data, "shifts 2..54");
}

}  // namespace
}  // namespace icepoint
