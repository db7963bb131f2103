"""From a trained torch model to the graph of float modules that it computes."""

from .graph import capture
from .steps import Add, Captured, Concat, FloatCall, Missing, Mul, Reshape, Step

__all__ = ["Add", "Captured", "Concat", "FloatCall", "Missing", "Mul", "Reshape", "Step", "capture"]
