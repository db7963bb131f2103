// scale and zero_point of a tensor: what they may be, and how a range becomes them.
#pragma once

#include <cstdint>
#include <string>

namespace icepoint {

/// real = scale * (code - zero_point); activations are uint8 codes in 0..qmax().
struct QParams {
  float scale = 1.0f;
  int32_t zero_point = 0;
  int32_t bits = 8;
  int32_t qmax() const { return (1 << bits) - 1; }
  bool operator==(const QParams&) const = default;
};

inline constexpr float kMinScale = 0x1p-100f;
inline constexpr float kMaxScale = 0x1p100f;

/// Affine scale and zero_point of the range [min, max], widened to hold 0 (section 1 of
/// docs/numerics.md). Throws for NaN, infinity, bits outside 2..8 and a scale above 2^100.
/// Example: choose_qparams(-1, 1, 8) -> scale 2/255, zero_point 128.
QParams choose_qparams(double min, double max, int bits);

/// Throws unless the scale is finite in [2^-100, 2^100], bits in 2..8, zero_point in 0..qmax.
void check_qparams(const QParams& q, const std::string& who);
void check_scale(float scale, const std::string& who);

/// clamp(rne(x / scale) + zero_point, lo, hi); NaN gives zero_point. Call inside a FloatEnv.
int32_t quantize_value(float x, float scale, int32_t zero_point, int32_t lo, int32_t hi);

}  // namespace icepoint
