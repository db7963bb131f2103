"""Lockstep: workers go through the same data a round at a time, and are told where theirs is another's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .distributed import Workers


class Lockstep:
    """Compares, after as many batches as there are workers, what each has been given.

    So nobody runs ahead of one who failed by more than a round, and data that differ end in a ValueError and
    not in ranges of a part. Seen of a batch are the shapes and the first image, or a file's name.
    """

    def __init__(self, workers: Workers):
        self._workers, self._seen = workers, hashlib.sha256()

    def after(self, number: int, batch: Sequence[Any]) -> None:
        """`batch` has gone by: its inputs (n, ...), or its pictures' paths, or rows of an array."""
        if self._workers.size == 1:
            return
        parts = batch if isinstance(batch, tuple) else (batch,)
        for x in parts:
            self._seen.update(_first(x))
        if (number + 1) % self._workers.size == 0:
            self._compare(number + 1, "")

    def end(self, count: int) -> None:
        """There were `count` batches."""
        self._compare(count, ", and no more")

    def _compare(self, count: int, more: str) -> None:
        self._workers.same(
            f"{count}{more} {self._seen.hexdigest()}",
            f"its calibration data are others in the first {count} batches; give every worker the same data "
            "in the same order, without a DistributedSampler and shuffled, if at all, from one seed: each "
            "takes its own batches of them",
        )


def _first(x: Any) -> bytes:
    if isinstance(x[0], Path):
        return f"{len(x)} {x[0].name}".encode()
    shape, row = tuple(x.shape), x[:1]
    row = row.detach().contiguous().numpy() if isinstance(row, torch.Tensor) else np.ascontiguousarray(row)
    return repr((shape, row.dtype)).encode() + row.tobytes()
