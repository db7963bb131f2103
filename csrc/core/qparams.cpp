// From a range of reals to scale and zero_point.
#include "core/qparams.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/float_env.h"

namespace icepoint {

QParams choose_qparams(double min, double max, int bits) {
  FloatEnv env;
  require_range(bits, 2, 8, "choose_qparams.num_bits");
  require(std::isfinite(min) && std::isfinite(max), "choose_qparams: the range ", min, "..", max,
          " is not finite");
  require(min <= max, "choose_qparams: min ", min, " is above max ", max);
  min = std::min(min, 0.0);
  max = std::max(max, 0.0);
  if (min == max) return {1.0f, 0, bits};
  const double qmax = (1 << bits) - 1;
  const float scale = static_cast<float>((max - min) / qmax);
  require(scale <= kMaxScale, "choose_qparams: the range ", min, "..", max, " needs a scale above 2^100");
  QParams q;
  q.bits = bits;
  q.scale = std::max(scale, kMinScale);
  // From the range and not from the rounded scale, so a symmetric range gives 2^(bits-1): exactly
  // qmax / 2, which rounds up to even. The product is exact for every float32; a symmetric range of
  // other doubles is taken as what it is, for there the quotient may miss the tie by a last place.
  const double below = -min == max ? qmax / 2 : max * qmax / (max - min);
  q.zero_point = static_cast<int32_t>(std::clamp(std::nearbyint(qmax - below), 0.0, qmax));
  return q;
}

void check_scale(float scale, const std::string& who) {
  // Written so that NaN fails.
  require(scale >= kMinScale && scale <= kMaxScale, who, ".scale: ", scale, " is not in 2^-100..2^100");
}

void check_qparams(const QParams& q, const std::string& who) {
  check_scale(q.scale, who);
  require_range(q.bits, 2, 8, who + ".bits");
  require_range(q.zero_point, 0, q.qmax(), who + ".zero_point");
}

int32_t quantize_value(float x, float scale, int32_t zero_point, int32_t lo, int32_t hi) {
  if (std::isnan(x)) return std::clamp(zero_point, lo, hi);
  // The quotient is clamped before the conversion: +-Inf and 1e30 have no int32.
  const float code = std::nearbyint(x / scale) + static_cast<float>(zero_point);
  return static_cast<int32_t>(std::clamp(code, static_cast<float>(lo), static_cast<float>(hi)));
}

}  // namespace icepoint
