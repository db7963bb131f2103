// A positive real factor as multiplier * 2^-shift.
#pragma once

#include <cstdint>
#include <string>

#include "core/qparams.h"

namespace icepoint {

/// M = multiplier * 2^-shift, with 2 <= shift <= 54 and 2^30 <= multiplier < 2^31
/// (below 2^30 only at shift 54, where M has become too small to normalize).
struct Multiplier {
  int32_t multiplier = 0;
  int32_t shift = 54;
  bool operator==(const Multiplier&) const = default;
};

/// Nearest multiplier and shift of `M`; ties to even. Throws std::invalid_argument for a
/// negative or non-finite M and for M >= 2^29. Example: 0.75 -> (1610612736, 31).
Multiplier quantize_multiplier(double M);

/// Throws std::invalid_argument, opened by `who`, unless the pair is one that a file may hold.
void check_multiplier(int64_t multiplier, int64_t shift, const std::string& who);

/// qadd and qsub: s the largest in 1..30 with abs(rne(a 2^s)) and abs(rne(b 2^s)) both < 2^21.
struct AddMultipliers {
  int32_t a, b, shift;
};
/// `a`, `b` are s_i / s_y, b negative for a subtraction. Throws where no shift fits.
AddMultipliers quantize_add(double a, double b);

/// qaffine, one channel: y = clamp(zy + ((x - zx) multiplier + offset + 2^(shift-1) >> shift)).
struct AffineMultiplier {
  int32_t multiplier, offset, shift;
};
/// gain G = g s_x / s_y and offset B = (beta - mean g) / s_y with g = gamma / sqrt(var + eps).
/// shift is the largest in 1..30 with m = rne(G 2^s), b = rne(B 2^s), abs(m) < 2^21 and
/// abs(b) + 255 abs(m) + 2^(s-1) < 2^31, so that int32 holds every step. If none fits, the channel
/// becomes a constant (multiplier 0) where zy + B + G (x - zx) leaves 0..y.qmax() on one side for
/// every code of x; otherwise throws.
AffineMultiplier quantize_affine(double gain, double offset, const QParams& x, const QParams& y);

}  // namespace icepoint
