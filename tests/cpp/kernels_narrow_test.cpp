// Narrow groups of every table give the reference's bytes: where blocks, pieces, steps and merged groups end.
#include "conv_cases.h"

namespace icepoint {
namespace {

class NarrowTables : public TableTest {};
INSTANTIATE_TABLES(NarrowTables);

// Vectors hold 16, 32 or 64 codes; blocks of fewer are cut into pieces of 32 and 16.
const std::vector<int64_t> kChannels{2,  4,  8,  12, 15, 16, 17, 20, 31, 32,  33,  36,  48,
                                     49, 60, 63, 64, 65, 76, 80, 81, 96, 112, 128, 132, 144};

TEST_P(NarrowTables, ThreeByThreeAtEveryEdge) {
  uint32_t seed = 4000;
  for (int64_t unit : {1, 2, 4})
    for (int64_t stride : {1, 2})
      for (int64_t channels : kChannels) {
        if (channels % unit != 0 || channels == unit) continue;
        for (int repeat = 0; repeat < 3; ++repeat) {
          CaseData data(seed++);
          ConvCase c;
          c.x = {data.pick(1, 7), data.pick(1, data.chance(4) ? 23 : 9), channels};
          c.window = {.kernel = {3, 3}, .stride = {stride, stride}, .padding = {1, 1, 1, 1}};
          c.groups = channels / unit;
          c.oc = channels;
          c.requantize = !data.chance(8);
          expect_equal_conv(table(), c, data);
          if (HasFatalFailure()) return;
        }
      }
}

TEST_P(NarrowTables, OtherWindows) {
  uint32_t seed = 5000;
  for (const Window& window : {
           Window{.kernel = {1, 1}},
           Window{.kernel = {1, 1}, .stride = {2, 2}},
           Window{.kernel = {2, 2}, .stride = {2, 2}},
           Window{.kernel = {3, 3}, .stride = {1, 2}, .padding = {1, 1, 1, 1}},
           Window{.kernel = {3, 3}, .stride = {3, 3}, .padding = {1, 1, 1, 1}},
           Window{.kernel = {3, 3}, .padding = {2, 2, 2, 2}, .dilation = {2, 2}},
           Window{.kernel = {3, 3}, .padding = {1, 2, 1, 2}, .dilation = {1, 2}},
           Window{.kernel = {1, 5}, .padding = {0, 2, 0, 2}},
           Window{.kernel = {4, 2}, .padding = {2, 1, 1, 0}},
           Window{.kernel = {5, 5}, .padding = {2, 2, 2, 2}},
           Window{.kernel = {5, 5}, .stride = {2, 2}, .padding = {2, 2, 2, 2}},
           Window{.kernel = {7, 7}, .padding = {3, 3, 3, 3}},
           Window{.kernel = {17, 17}, .padding = {8, 8, 8, 8}},
       })
    for (int64_t unit : {1, 2, 4})
      for (int64_t groups : {2, 9, 16, 17, 35, 65}) {
        CaseData data(seed++);
        ConvCase c;
        c.x = {data.pick(5, 8), data.pick(5, 11), groups * unit};
        c.window = window;
        c.groups = groups;
        c.oc = groups * unit;
        c.requantize = !data.chance(8);
        expect_equal_conv(table(), c, data);
        if (HasFatalFailure()) return;
      }
}

TEST_P(NarrowTables, GroupsOfOtherWidthsAreMerged) {
  uint32_t seed = 6000;
  for (const auto& [ic, oc] : std::vector<std::pair<int64_t, int64_t>>{{1, 2},
                                                                       {1, 3},
                                                                       {1, 15},
                                                                       {2, 1},
                                                                       {2, 4},
                                                                       {3, 3},
                                                                       {3, 5},
                                                                       {4, 2},
                                                                       {5, 5},
                                                                       {7, 7},
                                                                       {8, 8},
                                                                       {15, 1},
                                                                       {16, 16}})
    for (int64_t groups : {2, 3, 4, 7, 16, 24, 37}) {
      CaseData data(seed++);
      ConvCase c;
      c.x = {data.pick(1, 6), data.pick(1, 9), groups * ic};
      const int64_t k = data.one_of<int64_t>({1, 3}), pad = k / 2;
      c.window = {.kernel = {k, k}, .padding = {pad, pad, pad, pad}};
      c.groups = groups;
      c.oc = groups * oc;
      c.requantize = !data.chance(8);
      expect_equal_conv(table(), c, data);
      if (HasFatalFailure()) return;
    }
}

}  // namespace
}  // namespace icepoint
