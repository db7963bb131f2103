"""Numbers for tests: seeded generators that say their seed, exact rounding, extreme codes."""

from fractions import Fraction

import numpy as np


class SeededGenerator(np.random.Generator):
    """numpy's generator whose repr, shown by pytest when a test fails, names the seed."""

    def __init__(self, seed: int):
        super().__init__(np.random.PCG64(seed))
        self.seed = seed

    def __repr__(self) -> str:
        return f"rng({self.seed})"


def rng(seed: int) -> SeededGenerator:
    return SeededGenerator(seed)


def rne_fraction(v: Fraction) -> int:
    """Round to nearest, ties to even, in exact arithmetic."""
    down = v.numerator // v.denominator
    rest = v - down
    return down + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and down % 2 == 1))


def codes(generator, shape, bits: int = 8, kind: str = "random"):
    """uint8 codes of `bits` bits: random, or one of the extremes that find a saturating kernel."""
    qmax = 2**bits - 1
    if kind == "low":
        return np.zeros(shape, np.uint8)
    if kind == "high":
        return np.full(shape, qmax, np.uint8)
    if kind == "both":
        return (generator.integers(0, 2, shape) * qmax).astype(np.uint8)
    return generator.integers(0, qmax + 1, shape).astype(np.uint8)
