"""Runs the integers of a frozen model in NumPy, bit for bit as the engine: this folder and NumPy are enough.

    from interpreter import load
    model = load("integers.npz")     # or the .json; inside icepoint: frozen.integers()
    y = model(x)                     # float32 (n, ...) in and out
    every = model.trace(x)           # uint8 codes (n, ...) of every value, by name

What computes gives an exact integer acc and a factor multiplier 2^-shift; one formula makes codes of them:

    y = clamp(zero_point + (acc * multiplier + 2^(shift-1) >> shift), lo, hi)        in int64, >> is a floor

What only moves codes gives codes. Written from docs/numerics.md; it shares no line with the engine.
"""

from .model import Integers, load, requantize, run_layer
from .moves import MOVES
from .reals import quantize, reals
from .sums import SUMS

__all__ = ["MOVES", "SUMS", "Integers", "load", "quantize", "reals", "requantize", "run_layer"]
