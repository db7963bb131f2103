// Scales and zero points of float tensors, one or one for each channel, and their checks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/qparams.h"
#include "ops/arguments.h"

namespace icepoint::ops {

/// scale and zero_point for one channel or for each; a vector of length 1 serves every channel.
struct Affine {
  std::vector<float> scale;
  std::vector<int32_t> zero_point;
  float scale_of(size_t c) const { return scale[scale.size() == 1 ? 0 : c]; }
  int32_t zero_point_of(size_t c) const { return zero_point[zero_point.size() == 1 ? 0 : c]; }
};

inline std::vector<float> checked_scale(const Tensor& scale, int64_t channels, const std::string& op) {
  auto values = parameter<float>(scale, channels, op + ".scale");
  for (float s : values) check_scale(s, op);
  return values;
}

/// A range of uint8 codes, or of int8 codes where qmin is negative.
inline void check_range(int64_t qmin, int64_t qmax, const std::string& op) {
  const bool fits = qmin >= 0 ? qmax <= 255 : qmin >= -128 && qmax <= 127;
  require(qmin <= qmax && fits, op, ": qmin, qmax are ", qmin, ", ", qmax,
          ", expected qmin <= qmax within 0..255 or within -128..127");
}

inline Affine checked_affine(const Tensor& scale, const Tensor& zero_point, int64_t channels, int64_t qmin,
                             int64_t qmax, const std::string& op) {
  check_range(qmin, qmax, op);
  Affine a{checked_scale(scale, channels, op), parameter<int32_t>(zero_point, channels, op + ".zero_point")};
  for (int32_t z : a.zero_point) require_range(z, qmin, qmax, op + ".zero_point");
  return a;
}

}  // namespace icepoint::ops
