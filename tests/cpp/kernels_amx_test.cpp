// Convolutions on tiles give the reference's bytes: on real ones where the CPU has them, and on emulated
// ones wherever it has the AVX-512 VNNI that stores their sums.
#include "conv_cases.h"
#include "emulated_tiles.h"
#include "kernels/amx/choice.h"
#include "kernels/amx/permission.h"
#include "kernels/amx/tiling.h"
#include "kernels/avx512vnni/table.h"
#include "kernels/cpu.h"
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_AVX512VNNI
#include "kernels/amx/conv2d.h"
#include "kernels/wide/pack.h"

namespace icepoint {
namespace {

bool on_tiles(const Conv2dSpec& spec) {
  return !is_narrow(spec.g) &&
         amx::fits_tiles(wide::Plan(spec, wide::panel_shape<amx::Vec>(spec, amx::kStep)));
}

size_t packed_size(const Conv2dSpec& spec) {
  return on_tiles(spec) ? wide::conv2d_packed_size<amx::Vec>(spec, amx::kStep)
                        : avx512vnni::conv2d_packed_size(spec);
}

void pack(const Conv2dSpec& spec, void* packed) {
  if (!on_tiles(spec)) return avx512vnni::conv2d_pack(spec, packed);
  wide::conv2d_pack<amx::Vec>(spec, packed, amx::kStep);
  static_cast<wide::Plan*>(packed)->algorithm = wide::Algorithm::tiles;
}

template <class Tiles>
void run(const Conv2dArgs& a) {
  if (is_narrow(*a.g) || wide::algorithm_of(a.packed) != wide::Algorithm::tiles) return avx512vnni::conv2d(a);
  amx::Conv2d<Tiles>(a, *static_cast<const wide::Plan*>(a.packed)).run();
}

}  // namespace
}  // namespace icepoint
ICEPOINT_TARGET_END

namespace icepoint {
namespace {

/// The amx table without its choice: all that fits tiles runs on them, however small.
template <class Tiles>
class AmxConv : public testing::Test {
 protected:
  void SetUp() override {
    if (!cpu().avx512vnni) GTEST_SKIP() << "this CPU lacks AVX-512 VNNI, which stores what tiles sum";
    if (std::is_same_v<Tiles, amx::Tiles> && !(cpu().amx && amx::tiles_allowed()))
      GTEST_SKIP() << "this CPU or system lacks AMX; the emulated tiles run the same code";
    table_ = avx512vnni_table();
    table_.name = "tiles";
    table_.conv2d_packed_size = packed_size;
    table_.conv2d_pack = pack;
    table_.conv2d = run<Tiles>;
  }

  void TearDown() override { EXPECT_FALSE(EmulatedTiles::configured()) << "tiles were not released"; }

  void expect_equal(const ConvCase& c, uint32_t seed) {
    CaseData data(seed);
    expect_equal_conv(table_, c, data);
  }

 private:
  Kernels table_;
};

using BothTiles = testing::Types<EmulatedTiles, amx::Tiles>;
TYPED_TEST_SUITE(AmxConv, BothTiles);

Window square(int64_t kernel, int64_t stride, int64_t padding) {
  return {{kernel, kernel}, {stride, stride}, {padding, padding, padding, padding}, {1, 1}};
}

TYPED_TEST(AmxConv, LayersOfNetworks) {
  uint32_t seed = 100;
  for (const ConvCase& c : {
           ConvCase{{14, 14, 64}, square(3, 1, 1), 1, 64},   // a row is a tile
           ConvCase{{7, 7, 128}, square(3, 1, 1), 1, 64},    // an image is a line of tiles
           ConvCase{{7, 7, 64}, square(1, 1, 0), 1, 96},     // without a halo
           ConvCase{{56, 56, 32}, square(3, 1, 1), 1, 32},   // several strips of pixels
           ConvCase{{28, 28, 64}, square(3, 2, 1), 1, 64},   // with a stride
           ConvCase{{14, 14, 64}, square(1, 2, 0), 1, 64},   // a shortcut
           ConvCase{{1, 100, 640}, square(1, 1, 0), 1, 72},  // a linear layer
           ConvCase{{30, 30, 4}, square(7, 2, 3), 1, 64},    // a first layer
           ConvCase{{9, 40, 24}, square(1, 1, 0), 1, 24},    // filled up from 24
           ConvCase{{9, 9, 128}, square(3, 1, 1), 2, 128},   // wide groups
       })
    for (int i = 0; i < 3; ++i) {
      this->expect_equal(c, ++seed);
      if (this->HasFatalFailure()) return;
    }
}

TYPED_TEST(AmxConv, WeightsBeyondL2) {
  for (uint32_t seed = 200; seed < 203; ++seed) {
    this->expect_equal({{5, 9, 1024}, square(3, 1, 1), 1, 160}, seed);
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(AmxConv, AnyShape) {
  for (uint32_t seed = 1000; seed < 1200; ++seed) {
    CaseData data(seed);
    ConvCase c;
    for (int axis : {0, 1}) {
      c.window.kernel[axis] = data.pick(1, 4);
      c.window.stride[axis] = data.chance(3) ? data.pick(1, 3) : 1;
      c.window.dilation[axis] = data.chance(4) ? data.pick(1, 3) : 1;
      c.window.padding[axis] = data.pick(0, 2), c.window.padding[axis + 2] = data.pick(0, 2);
    }
    const auto size = [&](int axis, int64_t most) {
      const Window& w = c.window;
      const int64_t span = w.dilation[axis] * (w.kernel[axis] - 1) + 1;
      return std::max({span - w.padding[axis] - w.padding[axis + 2], data.pick(1, most), int64_t{1}});
    };
    c.x.h = size(0, 12), c.x.w = size(1, 40);
    c.groups = data.chance(4) ? data.pick(1, 3) : 1;
    c.x.c = c.groups * data.pick(9, data.chance(2) ? 20 : 150);
    c.oc = c.groups * (c.groups > 1 ? 32 * data.pick(1, 3) : data.pick(1, 200));
    c.requantize = !data.chance(8);
    this->expect_equal(c, seed + 1000);
    if (this->HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace icepoint
#endif
