"""From a trained torch model to the chain of layers that it computes."""

from .chain import Chain, Missing, capture_chain
from .steps import FloatCall, Reshape, Step

__all__ = ["Chain", "FloatCall", "Missing", "Reshape", "Step", "capture_chain"]
