"""From a trained torch model to the graph of float modules that it computes."""

from .graph import capture
from .operators import Add, Concat, Mul, Reshape
from .steps import Captured, FloatCall, Missing, Step

__all__ = ["Add", "Captured", "Concat", "FloatCall", "Missing", "Mul", "Reshape", "Step", "capture"]
