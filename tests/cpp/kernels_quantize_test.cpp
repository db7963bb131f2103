// quantize of every table: the reference's bytes for every kind of float, in any float environment.
#include <cfenv>
#include <cstring>
#include <limits>

#include "core/float_env.h"
#include "core/qparams.h"
#include "table_cases.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace icepoint {
namespace {

class QuantizeTables : public TableTest {};
INSTANTIATE_TABLES(QuantizeTables);

// Every kind of float: any bits, ties and their neighbours, infinities, NaN, subnormals.
std::vector<float> hostile_floats(CaseData& data, int64_t n, float scale) {
  std::vector<float> x(n);
  for (float& v : x) {
    const uint32_t bits = static_cast<uint32_t>(data.pick(0, 0xFFFFFFFF));
    std::memcpy(&v, &bits, sizeof(v));
    if (data.chance(3)) v = (static_cast<float>(data.pick(-300, 300)) + 0.5f) * scale;
    if (data.chance(4)) v = std::nextafter(v, data.chance(2) ? 1e30f : -1e30f);
    if (data.chance(16))
      v = data.one_of<float>({1e30f, -1e30f, 0x1p31f, -0x1p31f, 1e-45f, -0.0f,
                              std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()});
  }
  return x;
}

struct QuantizeCase {
  float scale;
  int32_t zero_point, lo, hi;
};

QuantizeCase any_case(CaseData& data) {
  const bool is_signed = data.chance(3);
  const int32_t lo = is_signed ? -128 : 0, hi = lo + 255;
  const float scale = data.chance(4) ? data.one_of<float>({kMinScale, kMaxScale, 1.0f})
                                     : std::exp2(static_cast<float>(data.pick(-1600, 400)) / 100);
  QuantizeCase c{scale, static_cast<int32_t>(data.pick(lo, hi)), lo, hi};
  if (data.chance(3)) c.lo = static_cast<int32_t>(is_signed ? data.pick(lo, -1) : data.pick(lo, hi));
  if (data.chance(3)) c.hi = static_cast<int32_t>(data.pick(c.lo, hi));
  return c;
}

std::vector<uint8_t> quantize(const Kernels& k, const std::vector<float>& x, const QuantizeCase& c,
                              int64_t begin, int64_t end) {
  std::vector<uint8_t> y(x.size() + 32, 0xA5);
  const FloatEnv env;
  k.quantize({x.data(), y.data(), c.scale, c.zero_point, c.lo, c.hi, begin, end});
  return y;
}

TEST_P(QuantizeTables, EveryFloatInPieces) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    CaseData data(seed);
    const QuantizeCase c = any_case(data);
    const int64_t n = data.pick(0, 300), begin = data.pick(0, n), end = data.pick(begin, n);
    const std::vector<float> x = hostile_floats(data, n, c.scale);
    const std::vector<uint8_t> y = quantize(table(), x, c, begin, end);
    for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
      const bool inside = i >= begin && i < end;
      const int code = inside ? quantize_value(x[i], c.scale, c.zero_point, c.lo, c.hi) : 0xA5;
      ASSERT_EQ(int{y[i]}, code & 0xFF) << "element " << i << " = " << (i < n ? x[i] : 0) << " scale "
                                        << c.scale << " zero_point " << c.zero_point << ", " << data.name();
    }
  }
}

TEST_P(QuantizeTables, HandMade) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{0.0f,   0.25f, 0.75f, -0.25f,        -0.75f, 1e30f,
                             -1e30f, inf,   -inf,  std::nanf(""), 60.0f};
  const std::vector<uint8_t> y = quantize(table(), x, {0.5f, 3, 0, 100}, 0, 11);
  // x / 0.5 = 0, 0.5, 1.5, -0.5, -1.5: ties to even before the odd zero point
  const int expected[] = {3, 3, 5, 3, 1, 100, 0, 100, 0, 3, 100};
  for (int i = 0; i < 11; ++i) EXPECT_EQ(int{y[i]}, expected[i]) << x[i];
}

// Rounding upward, and on x86 also flushing subnormals: what a careless library leaves behind.
class HostileFloatEnv {
 public:
  HostileFloatEnv() : rounding_(std::fegetround()) {
#if defined(__SSE2__)
    saved_ = _mm_getcsr();
#endif
    std::fesetround(FE_UPWARD);
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() | 0x8040u);  // FTZ and DAZ
#endif
  }
  ~HostileFloatEnv() {
    std::fesetround(rounding_);
#if defined(__SSE2__)
    _mm_setcsr(saved_);
#endif
  }
  // True while nobody has changed it.
  bool intact() const {
#if defined(__SSE2__)
    return std::fegetround() == FE_UPWARD && (_mm_getcsr() & 0x8040u) == 0x8040u;
#else
    return std::fegetround() == FE_UPWARD;
#endif
  }

 private:
  int rounding_;
#if defined(__SSE2__)
  uint32_t saved_;
#endif
};

TEST_P(QuantizeTables, TheCallersFloatEnvironmentChangesNothing) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    CaseData data(seed);
    const QuantizeCase c = any_case(data);
    const std::vector<float> x = hostile_floats(data, 200, c.scale);
    const std::vector<uint8_t> expected = quantize(table(), x, c, 0, 200);
    std::vector<uint8_t> found;
    bool intact = false;
    {
      const HostileFloatEnv hostile;
      found = quantize(table(), x, c, 0, 200);
      intact = hostile.intact();
    }
    ASSERT_EQ(found, expected) << data.name();
    ASSERT_TRUE(intact) << "the caller's modes did not come back";
  }
}

TEST(FloatEnvironment, ChangesNoScalarAndComesBack) {
  std::mt19937_64 random(9);
  std::uniform_real_distribution<double> exponent(-20, 20);
  for (int i = 0; i < 2000; ++i) {
    const double a = std::exp2(exponent(random)), b = std::exp2(exponent(random));
    const QParams x{static_cast<float>(a), 3, 8};
    const auto everything = [&] {
      const QParams q = choose_qparams(-a, b, 8);
      const Multiplier m = quantize_multiplier(a);
      std::vector<double> all{q.scale, static_cast<double>(q.zero_point), static_cast<double>(m.multiplier),
                              static_cast<double>(m.shift)};
      if (a < 0x1p18 && b < 0x1p18) {
        const AddMultipliers add = quantize_add(a, b);
        const AffineMultiplier affine = quantize_affine(a, b, x, x);
        for (int32_t v : {add.a, add.b, add.shift, affine.multiplier, affine.offset, affine.shift})
          all.push_back(v);
      }
      for (int32_t v : nearest_map(7 + i % 50, 11 + i % 90)) all.push_back(v);
      return all;
    };
    const std::vector<double> expected = everything();
    std::vector<double> found;
    bool intact = false;
    {
      const HostileFloatEnv hostile;
      found = everything();
      intact = hostile.intact();
    }
    ASSERT_EQ(found, expected) << a << " " << b;
    ASSERT_TRUE(intact) << "the caller's modes did not come back";
  }
}

}  // namespace
}  // namespace icepoint
