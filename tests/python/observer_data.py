"""Tensors for observers: ordinary values, zeros of both signs, edges of bins, and float32's ends."""

import numpy as np
import torch
from hypothesis import strategies as st

from oracle_numbers import rng
from strategies import seeds

SPECIAL = np.float32(
    [0, -0.0, 1, -1, 2.0**120, -(2.0**120), 2.0**-140, -(2.0**-140), 2.0**-149, 4096, 4095.75]
)
KINDS = ("gauss", "relu", "laplace", "constant", "special", "tiny", "huge", "powers")


def values(kind: str, shape, seed: int) -> np.ndarray:
    generator = rng(seed)
    if kind == "constant":
        return np.full(shape, generator.choice(SPECIAL), np.float32)
    if kind == "special":
        return generator.choice(SPECIAL, shape).astype(np.float32)
    if kind == "powers":  # each the lower end of a bin
        signs = generator.choice([-1, 1], shape)
        return (signs * 2.0 ** generator.integers(-20, 20, shape)).astype(np.float32)
    x = generator.laplace(0, 1, shape) if kind == "laplace" else generator.normal(0, 1, shape)
    x = {"relu": np.maximum(x, 0), "tiny": x * 2.0**-140, "huge": x * 2.0**118}.get(kind, x)
    return x.astype(np.float32)


@st.composite
def image_lists(draw, channels: int = 3, size: int = 5):
    """Up to 12 images (channels, size), of several kinds."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
    seed = draw(seeds)
    return [values(kind, (channels, size), seed + i) for i, kind in enumerate(kinds)]


def same_state(a, b) -> bool:
    """Whether two states hold the same numbers."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same_state(a[k], b[k]) for k in a)
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return type(a) is type(b) and a == b
