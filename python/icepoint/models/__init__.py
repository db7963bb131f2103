"""Networks that carry the whole road: float, quantize, quantize_forward, freeze, quantize_inference."""

from .net import Net, NetBN
from .vgg import Vgg

__all__ = ["Net", "NetBN", "Vgg"]
