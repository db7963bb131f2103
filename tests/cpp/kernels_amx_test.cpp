// Convolutions on tiles give the reference's bytes: on real ones where the CPU has them, and on emulated
// ones wherever it has the AVX-512 VNNI that stores their sums.
#include "conv2d_cases.h"
#include "emulated_tiles.h"
#include "kernels/amx/permission.h"
#include "kernels/amx/tiling.h"
#include "kernels/cpu.h"
#include "kernels/select.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX512VNNI
#include "kernels/amx/conv2d.h"
#include "kernels/wide/pack.h"

namespace icepoint {
namespace {

/// What the table does, without its choice: every case here runs on tiles.
template <class Tiles>
const Conv2dKernel kOnTiles{
    [](const Conv2dSpec& spec) { return wide::conv2d_packed_size<amx::Vec>(spec, amx::kStep); },
    [](const Conv2dSpec& spec, void* packed) { wide::conv2d_pack<amx::Vec>(spec, packed, amx::kStep); },
    [](const Conv2dArgs& a) { amx::Conv2d<Tiles>(a, *static_cast<const wide::Plan*>(a.packed)).run(); }};

}  // namespace
}  // namespace icepoint
ICEPOINT_TARGET_END

namespace icepoint {
namespace {

Window window(int64_t kernel, int64_t stride, int64_t padding) {
  return {{kernel, kernel}, {stride, stride}, {padding, padding, padding, padding}, {1, 1}};
}

template <class Tiles>
class AmxConv2d : public testing::Test {
 protected:
  void SetUp() override {
    if (!cpu().avx512vnni) GTEST_SKIP() << "this CPU lacks AVX-512 VNNI, which stores what tiles sum";
    if (std::is_same_v<Tiles, amx::Tiles> && !(cpu().amx && amx::tiles_allowed()))
      GTEST_SKIP() << "this CPU or system lacks AMX; the emulated tiles run the same code";
  }

  // The whole call, and pieces of rows and of output channels.
  static void expect_equal(const Conv2dShape& shape, uint32_t seed) {
    Conv2dCase c(shape, seed);
    const Kernels& reference = kernels("reference");
    const Conv2dKernel expected{reference.conv2d_packed_size, reference.conv2d_pack, reference.conv2d};
    const std::vector<uint8_t> y = c.run(expected);
    const auto compare = [&](const std::vector<uint8_t>& found, const char* how) {
      for (size_t i = 0; i < y.size(); ++i)
        ASSERT_EQ(int{found[i]}, int{y[i]}) << "byte " << i << " of y, " << how << ", " << c.text();
    };
    compare(c.run(kOnTiles<Tiles>), "whole");
    if constexpr (std::is_same_v<Tiles, EmulatedTiles>) {
      EXPECT_FALSE(EmulatedTiles::configured()) << "tiles were not released";
    }
    const int64_t cut = c.pick(0, c.rows());
    compare(c.run(kOnTiles<Tiles>, {cut, c.pick(cut, c.rows())},
                  {c.pick(0, shape.oc / kOutputBlock) * kOutputBlock}),
            "in pieces");
  }
};

using BothTiles = testing::Types<EmulatedTiles, amx::Tiles>;
TYPED_TEST_SUITE(AmxConv2d, BothTiles);

TYPED_TEST(AmxConv2d, LayersOfNetworks) {
  uint32_t seed = 100;
  for (const Conv2dShape& shape : {
           Conv2dShape{1, 14, 14, 64, 64, window(3, 1, 1)},   // a row a tile
           Conv2dShape{1, 7, 7, 128, 64, window(3, 1, 1)},    // one line an image
           Conv2dShape{2, 7, 7, 64, 96, window(1, 1, 0)},     // no halo
           Conv2dShape{1, 56, 56, 32, 32, window(3, 1, 1)},   // several strips of pixels
           Conv2dShape{1, 28, 28, 64, 64, window(3, 2, 1)},   // stride
           Conv2dShape{1, 14, 14, 64, 64, window(1, 2, 0)},   // a shortcut
           Conv2dShape{1, 1, 100, 640, 72, window(1, 1, 0)},  // a linear layer
           Conv2dShape{1, 30, 30, 4, 64, window(7, 2, 3)},    // a first layer
           Conv2dShape{1, 9, 40, 24, 24, window(1, 1, 0)},    // filled up from 24
       }) {
    this->expect_equal(shape, ++seed);
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(AmxConv2d, WeightsBeyondL2) {
  this->expect_equal({1, 5, 9, 1024, 160, window(3, 1, 1)}, 200);
  Conv2dShape four{1, 3, 9, 1100, 40, window(1, 1, 0)};
  four.kind = WeightKind::i4;
  this->expect_equal(four, 201);
}

TYPED_TEST(AmxConv2d, AnyShape) {
  for (uint32_t seed = 1000; seed < 1400; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int64_t lo, int64_t hi) {
      return std::uniform_int_distribution<int64_t>(lo, hi)(random);
    };
    Conv2dShape s{};
    Window& w = s.window;
    for (int axis : {0, 1}) {
      w.kernel[axis] = pick(1, 4);
      w.stride[axis] = pick(0, 2) == 0 ? pick(1, 3) : 1;
      w.dilation[axis] = pick(0, 3) == 0 ? pick(1, 3) : 1;
      w.padding[axis] = pick(0, 2);
      w.padding[axis + 2] = pick(0, 2);
    }
    const auto size = [&](int axis, int64_t most) {
      const int64_t span = w.dilation[axis] * (w.kernel[axis] - 1) + 1;
      return std::max(span - w.padding[axis] - w.padding[axis + 2], pick(1, most));
    };
    s.n = pick(1, 3), s.h = std::max<int64_t>(1, size(0, 12)), s.w = std::max<int64_t>(1, size(1, 40));
    s.groups = pick(0, 3) == 0 ? pick(1, 3) : 1;
    s.ic = s.groups * pick(1, pick(0, 1) ? 20 : 150);
    s.oc = s.groups > 1 ? s.groups * 32 * pick(1, 3) : pick(1, 200);
    s.x_pixel = pick(0, 1) ? 0 : s.ic + pick(0, 70);
    s.kind = pick(0, 2) == 0 ? WeightKind::i4 : WeightKind::i8;
    s.requantize = pick(0, 7) != 0;
    s.max_pool = s.requantize && pick(0, 3) == 0;
    s.residual = s.requantize && !s.max_pool && pick(0, 3) == 0;
    this->expect_equal(s, seed);
    if (this->HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace icepoint
#endif
