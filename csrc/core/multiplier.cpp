// Real factors become integers: the only place that rounds a multiplier.
#include "core/multiplier.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/float_env.h"

namespace icepoint {

namespace {

// rne(value * 2^shift); scaling by a power of two is exact here (no value reaches the subnormals
// with a magnitude that survives the rounding).
double scaled(double value, int shift) {
  return std::nearbyint(std::ldexp(value, shift));
}

constexpr double kGainLimit = 1 << 21;  // exclusive: gain * 255 and two of them stay inside int32

}  // namespace

Multiplier quantize_multiplier(double M) {
  FloatEnv env;
  require(std::isfinite(M) && M >= 0, "quantize_multiplier: ", M, " is not a finite number >= 0");
  require(M < 0x1p29, "quantize_multiplier: ", M,
          " is 2^29 or more: the output's scale is far too small for this layer");
  if (M == 0) return {0, 54};
  int exponent = 0;
  std::frexp(M, &exponent);  // M = f * 2^exponent, f in [0.5, 1)
  int shift = std::min(31 - exponent, 54);
  double multiplier = scaled(M, shift);
  if (multiplier == 0x1p31) {  // f rounded up to 1
    multiplier = 0x1p30;
    --shift;
    require(shift >= 2, "quantize_multiplier: ", M, " rounds up to 2^29, for which no file has a shift");
  }
  return {static_cast<int32_t>(multiplier), shift};
}

void check_multiplier(int64_t multiplier, int64_t shift, const std::string& who) {
  require_range(shift, 2, 54, who + ".shift");
  const int64_t lowest = shift == 54 ? 0 : int64_t{1} << 30;
  require_range(multiplier, lowest, (int64_t{1} << 31) - 1, who + ".multiplier");
}

AddMultipliers quantize_add(double a, double b) {
  FloatEnv env;
  require(std::isfinite(a) && std::isfinite(b), "quantize_add: ", a, " and ", b, " are not finite");
  for (int shift = 30; shift >= 1; --shift) {
    const double ma = scaled(a, shift), mb = scaled(b, shift);
    if (std::abs(ma) < kGainLimit && std::abs(mb) < kGainLimit)
      return {static_cast<int32_t>(ma), static_cast<int32_t>(mb), shift};
  }
  fail("quantize_add: the ratios ", a, " and ", b,
       " of input to output scale are 2^20 or more; calibrate the output again");
}

AffineMultiplier quantize_affine(double gain, double offset, const QParams& x, const QParams& y) {
  FloatEnv env;
  require(std::isfinite(gain) && std::isfinite(offset), "quantize_affine: gain ", gain, " and offset ",
          offset, " must be finite");
  for (int shift = 30; shift >= 1; --shift) {
    const double m = scaled(gain, shift), b = scaled(offset, shift);
    if (std::abs(m) < kGainLimit && std::abs(b) + 255 * std::abs(m) + std::ldexp(1.0, shift - 1) < 0x1p31)
      return {static_cast<int32_t>(m), static_cast<int32_t>(b), shift};
  }
  const double low = gain * (0 - x.zero_point), high = gain * (x.qmax() - x.zero_point);
  const double least = y.zero_point + offset + std::min(low, high);
  const double most = y.zero_point + offset + std::max(low, high);
  if (most <= 0) return {0, -1024, 1};  // -512 codes: below every zero point
  if (least >= y.qmax()) return {0, 1024, 1};
  fail("quantize_affine: gain ", gain, " and offset ", offset,
       " (in output codes) fit no shift; calibrate the output again");
}

}  // namespace icepoint
