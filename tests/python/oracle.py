"""The judge of the arithmetic: sections 1 to 3 of docs/numerics.md in NumPy int64, doubles and Fractions.

Written from that page alone and never from the C++: the two meet only in the tests. Slow on purpose; every
function is its formula. Codes are int64 arrays in logical order (n, c, h, w). The operators of section 4 lie
in oracle_conv.py, oracle_pool.py and oracle_ops.py, the reader and interpreter of files in oracle_graph.py.
"""

from fractions import Fraction
from math import frexp, isfinite

import numpy as np

MIN_SCALE, MAX_SCALE = 2.0**-100, 2.0**100


def qrange(bits: int) -> tuple[int, int]:
    """qmin, qmax of an activation or affine weight: 0 .. 2^b - 1."""
    return 0, 2**bits - 1


def symmetric_range(bits: int) -> tuple[int, int]:
    """qmin, qmax of a symmetric weight: -(2^(b-1) - 1) .. 2^(b-1) - 1, so that -w always exists."""
    return -(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1


def f32(v) -> float:
    """A double rounded once to float32, as a Python float."""
    return float(np.float32(v))


def clamp(v, lo, hi):
    return np.minimum(np.maximum(v, lo), hi)


def along(values, ndim: int, axis: int | None):
    """A scalar, a (1) or a (c) array, shaped so that it broadcasts along `axis` of `ndim` axes."""
    values = np.asarray(values)
    if values.size == 1:
        return values.reshape(())
    shape = [1] * ndim
    shape[axis] = -1
    return values.reshape(shape)


# ---- 1. Affine quantization -------------------------------------------------------------------------------


def choose_qparams(lo: float, hi: float, bits: int) -> tuple[float, int]:
    """scale, zero_point of lo..hi, in double; the zero_point comes from the range, not the rounded scale."""
    lo, hi = float(lo), float(hi)
    if not (isfinite(lo) and isfinite(hi)):
        raise ValueError("choose_qparams: the range is not finite")
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if lo == hi:
        return 1.0, 0
    qmin, qmax = qrange(bits)
    with np.errstate(over="ignore"):  # a range beyond float32 becomes inf and is refused
        scale = max(f32((hi - lo) / (qmax - qmin)), MIN_SCALE)
    if scale > MAX_SCALE:
        raise ValueError("choose_qparams: the scale is above 2^100")
    zero_point = int(clamp(np.rint(qmax - hi * (qmax - qmin) / (hi - lo)), qmin, qmax))
    return scale, zero_point


def quantize(x, scale, zero_point, qmin: int, qmax: int, axis: int | None = None):
    """clamp(rne(x / scale) + zero_point) with a float32 division; +-inf saturates, NaN is the zero_point."""
    x = np.asarray(x, np.float32)
    s, z = along(np.float32(scale), x.ndim, axis), along(zero_point, x.ndim, axis)
    with np.errstate(all="ignore"):
        q = clamp(np.rint(x / s).astype(np.float64) + z, qmin, qmax)  # the clamp is before the integer
    return np.where(np.isnan(x), z, q).astype(np.int64)


def dequantize(q, scale, zero_point, axis: int | None = None):
    """float32(q - zero_point) * scale, one float32 product."""
    q = np.asarray(q, np.int64)
    s, z = along(np.float32(scale), q.ndim, axis), along(zero_point, q.ndim, axis)
    return (q - z).astype(np.float32) * s


def learned_zero_point(zero_point, qmin: int, qmax: int):
    """A float32 zero_point as the forward reads it: rounded to even, then clamped to the codes."""
    return clamp(np.rint(np.asarray(zero_point, np.float64)), qmin, qmax)


def fake_quantize(x, scale, zero_point, qmin: int, qmax: int, axis: int | None = None):
    """dequantize . quantize, with an integer or a learned zero_point."""
    zero_point = learned_zero_point(zero_point, qmin, qmax)
    return dequantize(quantize(x, scale, zero_point, qmin, qmax, axis), scale, zero_point, axis)


def fake_quantize_gradients(x, scale, zero_point, qmin: int, qmax: int, axis: int | None = None):
    """dy/dx, dy/dscale, dy/dzero_point of every element (LSQ, LSQ+); a NaN contributes nothing to any."""
    x = np.asarray(x, np.float32)
    s, z = (along(v, x.ndim, axis) for v in (np.float32(scale), learned_zero_point(zero_point, qmin, qmax)))
    with np.errstate(all="ignore"):
        r = x / s
        q = np.rint(r).astype(np.float64) + z
        inside = (qmin <= q) & (q <= qmax)
        dscale = np.where(inside, (q - z) - r, clamp(q, qmin, qmax) - z)
        dzero_point = np.where(inside, 0.0, -s)
    nan = np.isnan(x)
    return inside.astype(np.float64), np.where(nan, 0.0, dscale), np.where(nan, 0.0, dzero_point)


def bias_floor(bias, scale_in: float):
    """The least weight scale with which |bias_q| stays near 2^30: |bias| / (scale_in 2^30)."""
    return np.abs(np.asarray(bias, np.float64)) / (scale_in * 2.0**30)


def symmetric_weight_scales(weight, bias, scale_in: float, bits: int):
    """float32 scale of each channel (axis 0): of the weights, the bias floor or 2^-100, the greatest."""
    flat = np.abs(np.asarray(weight, np.float64)).reshape(len(weight), -1)
    scale = np.maximum(flat.max(axis=1) / symmetric_range(bits)[1], MIN_SCALE)
    if bias is not None:
        scale = np.maximum(scale, bias_floor(bias, scale_in))
    return scale.astype(np.float32)


def affine_weight_qparams(weight, bias, scale_in: float, bits: int) -> tuple[float, int]:
    """scale, zero_point that all channels of `weight` share; a floor that wins gives the zero_point.

    Where it does not win, the zero_point comes from the range, as in choose_qparams.
    """
    weight = np.asarray(weight, np.float64)
    qmin, qmax = qrange(bits)
    lo, hi = min(weight.min(), 0.0), max(weight.max(), 0.0)
    floor = MIN_SCALE if bias is None else max(MIN_SCALE, float(bias_floor(bias, scale_in).max()))
    if (hi - lo) / (qmax - qmin) >= floor:
        return choose_qparams(lo, hi, bits)
    return f32(floor), int(clamp(np.rint(qmax - hi / floor), qmin, qmax))


def quantize_bias(bias, scale_in: float, scale_w):
    """rne(bias / (scale_in * scale_w[c])) in double; the product of two float32 is exact there."""
    return np.rint(np.asarray(bias, np.float64) / (scale_in * np.asarray(scale_w, np.float64))).astype(
        np.int64
    )


def fold_batch_norm(weight, bias, gamma, beta, mean, var, eps: float):
    """Weight (float32, rounded once) and bias (double) of a convolution with the BatchNorm behind it."""
    gamma, beta, mean, var = (np.asarray(v, np.float64) for v in (gamma, beta, mean, var))
    g = gamma / np.sqrt(var + eps)
    weight = np.asarray(weight, np.float64)
    bias = np.zeros(len(weight)) if bias is None else np.asarray(bias, np.float64)
    return (weight * along(g, weight.ndim, 0)).astype(np.float32), beta + (bias - mean) * g


# ---- 2. Accumulate: the overflow proof --------------------------------------------------------------------


def accumulator_bounds(centred, bias: int, x_zero_point: int, qmax: int) -> tuple[int, int]:
    """Least and greatest bias + sum (x - zx) w' over all x in 0..qmax, for one channel's w' = w - zw."""
    positive = int(np.maximum(centred, 0).sum())
    negative = int(np.maximum(-centred, 0).sum())
    above, below = qmax - x_zero_point, x_zero_point
    return bias - positive * below - negative * above, bias + positive * above + negative * below


def fits_int32(lo: int, hi: int) -> bool:
    return lo >= -(2**31) and hi < 2**31


# ---- 3. Requantize ----------------------------------------------------------------------------------------


def quantize_multiplier(M: float) -> tuple[int, int]:
    """M = multiplier * 2^-shift, exactly by Fraction; M = 0 is (0, 54), what rounds to 2^29 is an error."""
    if not (isfinite(M) and 0 <= M < 2.0**29):
        raise ValueError("quantize_multiplier: M is not in [0, 2^29)")
    if M == 0:
        return 0, 54
    shift = min(31 - frexp(M)[1], 54)
    multiplier = round(Fraction(M) * 2**shift)  # Python rounds a Fraction to nearest, ties to even
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift - 1
    if shift < 2:
        raise ValueError("quantize_multiplier: M rounds to 2^29")
    return multiplier, shift


def legal_multiplier(multiplier: int, shift: int) -> bool:
    normal = 2 <= shift <= 54 and 2**30 <= multiplier < 2**31
    return normal or (shift == 54 and 0 <= multiplier < 2**30)


def requantize(acc, multiplier, shift):
    """(acc * multiplier + 2^(shift-1)) >> shift in int64: |acc m| < 2^62 and the rounding is at most 2^53."""
    acc, multiplier, shift = (np.asarray(v, np.int64) for v in (acc, multiplier, shift))
    return (acc * multiplier + (np.int64(1) << (shift - 1))) >> shift


def Q(acc, multiplier, shift, zero_point: int, lo: int, hi: int, axis: int | None = None):
    """clamp(zero_point + requantize(acc)); multiplier and shift of length 1, or along `axis`."""
    acc = np.asarray(acc, np.int64)
    multiplier, shift = along(multiplier, acc.ndim, axis), along(shift, acc.ndim, axis)
    return clamp(zero_point + requantize(acc, multiplier, shift), lo, hi)


def output_range(bits: int, scale: float, zero_point: int, activation: str | None = None, a=0.0, b=6.0):
    """lo, hi of an output: None, "relu", or "clamp" to the reals a..b (ReLU6 is 0..6)."""
    lo, hi = qrange(bits)
    if activation == "relu":
        return zero_point, hi
    if activation == "clamp":
        qa, qb = (int(quantize(v, scale, zero_point, lo, hi)) for v in (a, b))
        return max(lo, qa), min(hi, qb)
    return lo, hi


def quantize_add(a: float, b: float) -> tuple[int, int, int]:
    """m_a, m_b, s for a = s_1 / s_y, b = +-s_2 / s_y: s the largest in 1..30 with both |m| < 2^21."""
    for s in range(30, 0, -1):
        m = [round(Fraction(v) * 2**s) for v in (a, b)]
        if max(abs(m[0]), abs(m[1])) < 2**21:
            return m[0], m[1], s
    raise ValueError("quantize_add: no shift fits")


ABOVE, BELOW = (0, 512, 1), (0, -512, 1)  # constants of an affine channel: 512 >> 1 lies above every code


def quantize_affine(
    gain: float, offset: float, x_zero_point: int, x_bits: int, y_zero_point: int, y_bits: int
):
    """m, b, s of one channel of y = zy + G (x - zx) + B; where none fits, a constant if that saturates."""
    for s in range(30, 0, -1):
        m, b = round(Fraction(gain) * 2**s), round(Fraction(offset) * 2**s)
        if abs(m) < 2**21 and abs(b) + 255 * abs(m) + 2 ** (s - 1) < 2**31:
            return m, b, s
    reals = [y_zero_point + offset + gain * (x - x_zero_point) for x in qrange(x_bits)]  # in double
    qmax = qrange(y_bits)[1]
    if min(reals) >= qmax:
        return ABOVE
    if max(reals) <= 0:
        return BELOW
    raise ValueError("quantize_affine: no shift fits and the channel is no constant")


def affine_gain_offset(gamma, beta, mean, var, eps: float, scale_x: float, scale_y: float):
    """G = g s_x / s_y and B = (beta - mean g) / s_y of a BatchNorm that is not fused, in double."""
    gamma, beta, mean, var = (np.asarray(v, np.float64) for v in (gamma, beta, mean, var))
    g = gamma / np.sqrt(var + eps)
    return g * scale_x / scale_y, (beta - mean * g) / scale_y
