"""Runs the integers of a frozen model in NumPy, bit for bit as the engine: this folder and NumPy are enough.

    from interpreter import load
    model = load("integers.npz")     # or the .json; inside icepoint: frozen.integers()
    y = model(x)                     # float32 (n, ...) in and out
    every = model.trace(x)           # uint8 codes (n, ...) of every value, by name

What computes gives an exact integer acc and a factor multiplier 2^-shift; one formula makes codes of them:

    y = clamp(zero_point + (acc * multiplier + 2^(shift-1) >> shift), lo, hi)        in int64, >> is a floor

What only moves codes gives codes. The reals of an output are scale * (code - zero_point) or, where it says
`accumulators`, float32(acc * (x_scale * weight_scale[c])) of its layer, the products in double.
Written from docs/numerics.md; it shares no line with the engine.
"""

from .model import Integers, load, requantize, run_layer
from .moves import MOVES
from .reals import dequantize, ended, of_sums, quantize, units
from .sums import SUMS

__all__ = ["MOVES", "SUMS", "Integers", "dequantize", "ended", "load", "of_sums", "quantize", "requantize",
           "run_layer", "units"]  # fmt: skip
