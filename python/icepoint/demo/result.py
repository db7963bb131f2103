"""What the demo measured of one network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Result:
    """One column of the demo's table and its part of the picture. Accuracies are shares, 0..1."""

    name: str
    accuracy: dict[str, float]  # "float", "QModules", "frozen", "executable"
    digests: dict[str, str]  # SHA-256 of all output codes, by who computed them
    float_bytes: int  # parameters and buffers
    file_bytes: int
    float_us: dict[int, float]  # microseconds an image, by batch size
    frozen_us: dict[int, float]
    sqnr: dict[str, float]  # dB, by layer in the order in which it runs
    float_scores: np.ndarray  # (n, classes)
    integer_scores: np.ndarray  # (n, classes)

    @property
    def agree(self) -> bool:
        """Whether everybody computed the same codes."""
        return len(set(self.digests.values())) == 1
