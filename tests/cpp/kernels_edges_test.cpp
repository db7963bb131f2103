// load and store of every table: the formulas of a graph's edges, wherever the codes lie.
#include <cstring>
#include <limits>

#include "core/float_env.h"
#include "table_cases.h"

namespace icepoint {
namespace {

class EdgeTables : public TableTest {};
INSTANTIATE_TABLES(EdgeTables);

struct EdgeCase {
  int64_t n;
  Extent e;
  float scale;
  int32_t zero_point, hi;
};

EdgeCase any_edge(CaseData& data) {
  EdgeCase c;
  c.n = data.pick(1, 2);
  c.e = {data.pick(1, 5), data.one_of<int64_t>({1, 2, 15, 16, 17, 28, 63, 64, 65, 130}),
         data.one_of<int64_t>({1, 1, 2, 3, 3, 3, 4, 5, 8, 15, 16, 17, 33, 100})};
  if (data.chance(4)) c.e.h = c.e.w = 1;
  c.scale = std::exp2(static_cast<float>(data.pick(-1600, 400)) / 100);
  c.hi = static_cast<int32_t>(data.one_of<int64_t>({255, 255, 15, 3}));
  c.zero_point = static_cast<int32_t>(data.pick(0, c.hi));
  return c;
}

// Position of channel c of pixel (y, x) of image i among logical elements.
int64_t logical(const Extent& e, int64_t i, int64_t y, int64_t x, int64_t c) {
  return ((i * e.c + c) * e.h + y) * e.w + x;
}

// Any bits, ties and their neighbours, infinities and NaN.
std::vector<float> floats(CaseData& data, int64_t n, float scale) {
  std::vector<float> x(n);
  for (float& v : x) {
    const uint32_t bits = static_cast<uint32_t>(data.pick(0, 0xFFFFFFFF));
    std::memcpy(&v, &bits, sizeof(v));
    if (!data.chance(3)) v = (static_cast<float>(data.pick(-300, 300)) + 0.5f) * scale;
    if (data.chance(4)) v = std::nextafter(v, data.chance(2) ? 1e30f : -1e30f);
  }
  return x;
}

TEST_P(EdgeTables, LoadEqualsQuantizeOfEveryElement) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    CaseData data(seed);
    const EdgeCase c = any_edge(data);
    // As large as its elements: who reads behind them is seen by a sanitizer.
    const std::vector<float> x = floats(data, c.n * c.e.numel(), c.scale);
    const int64_t pixel = c.e.c + (data.chance(2) ? 0 : data.pick(1, 20));
    Laid y(data, c.n, c.e, c.e.c, pixel);
    const std::vector<uint8_t> before = y.get();
    const int64_t rows = c.n * c.e.h, begin = data.pick(0, rows), end = data.pick(begin, rows);
    const FloatEnv env;
    table().load({x.data(), y.output(), c.e.h, c.e.w, c.e.c, c.scale, c.zero_point, c.hi, begin, end});
    const std::vector<uint8_t> found = y.get();
    ASSERT_TRUE(y.intact_around()) << data.name() << ": bytes outside y were written";
    int64_t at = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t p = 0; p < c.e.w; ++p) {
        for (int64_t ch = 0; ch < c.e.c; ++ch, ++at) {
          const float v = x[logical(c.e, row / c.e.h, row % c.e.h, p, ch)];
          const int expected =
              row < begin || row >= end ? before[at] : quantize_value(v, c.scale, c.zero_point, 0, c.hi);
          ASSERT_EQ(int{found[at]}, expected) << v << ", scale " << c.scale << ", row " << row << ", pixel "
                                              << p << ", channel " << ch << ", " << data.name();
        }
      }
    }
  }
}

TEST_P(EdgeTables, StoreEqualsDequantizeOfEveryElement) {
  for (uint32_t seed = 1000; seed < 1400; ++seed) {
    CaseData data(seed);
    const EdgeCase c = any_edge(data);
    const Operand from = any_operand(data, c.e, c.n);
    const Laid x = Laid::input(data, c.n, from, {});
    const float untouched = -12345.0f;
    std::vector<float> y(c.n * c.e.numel(), untouched);
    const int64_t rows = c.n * c.e.h, begin = data.pick(0, rows), end = data.pick(begin, rows);
    const FloatEnv env;
    table().store({x.view(), y.data(), c.e.h, c.e.w, c.e.c, c.scale, c.zero_point, begin, end});
    int64_t at = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t p = 0; p < c.e.w; ++p) {
        for (int64_t ch = 0; ch < c.e.c; ++ch, ++at) {
          const float expected = row < begin || row >= end
                                     ? untouched
                                     : static_cast<float>(from.codes[at] - c.zero_point) * c.scale;
          ASSERT_EQ(y[logical(c.e, row / c.e.h, row % c.e.h, p, ch)], expected)
              << "row " << row << ", pixel " << p << ", channel " << ch << ", " << data.name();
        }
      }
    }
  }
}

// A quotient may be found without a division: then it must still be the nearest float. Ties between two
// codes, and the floats around them, show the last bit.
TEST_P(EdgeTables, QuotientsAreNearestToTheLastBit) {
  CaseData data(7);
  for (int i = 0; i < 3000; ++i) {
    const float scale = std::ldexp(static_cast<float>(data.pick(1 << 23, (1 << 24) - 1)),
                                   static_cast<int>(data.one_of<int64_t>({-123, -60, -30, -23, 0, 76})));
    std::vector<float> x;
    for (int64_t k = 0; k < 21; ++k) {
      const float tie = (static_cast<float>(data.pick(-256, 255)) + 0.5f) * scale;
      x.insert(x.end(), {tie, std::nextafter(tie, -1e38f), std::nextafter(tie, 1e38f)});
    }
    std::vector<uint8_t> y(x.size());
    const FloatEnv env;
    table().quantize({x.data(), y.data(), scale, 128, 0, 255, 0, std::ssize(x)});
    for (size_t k = 0; k < x.size(); ++k)
      ASSERT_EQ(int{y[k]}, quantize_value(x[k], scale, 128, 0, 255))
          << "case " << i << ": " << x[k] << " over " << scale;
  }
}

}  // namespace
}  // namespace icepoint
