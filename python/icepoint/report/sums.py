"""What the report gathers of one layer: sums of squares in double, counts, ranges, histograms of codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..accuracy.judge import decibels
from ..qparams import QParam
from ..stages import Stage
from .causes import CAUSES, alone, chain, channel_axis, own_range

Tensor = torch.Tensor

_BEYOND = 256  # bins of a histogram below the first and above the last code


def sqnr_db(signal: float, noise: float) -> float | None:
    """10 log10(signal / noise) of two energies; None without noise, -inf for noise without signal."""
    found = decibels(signal, noise)
    return None if found == math.inf else found


class LayerSums:
    """Everything about one stage, added up over groups of images.

    An image's sums are its own, in double, so that only whole images are ever added. `signal`, `noise`,
    `alone` and causes[name] are energies (channels,) of the float result, of the integers' error, of the
    error with exact inputs, and of each cause; `image_signal`, `image_noise` hold one number an image.
    """

    def __init__(self, stage: Stage):
        self.stage = stage
        self.shape: tuple[int, ...] = ()
        self.signal = self.noise = self.alone = torch.zeros(1, dtype=torch.float64)
        self.causes = {cause: torch.zeros(1, dtype=torch.float64) for cause in CAUSES}
        self.image_signal: list[float] = []
        self.image_noise: list[float] = []
        self.count = self.saturated = 0
        self.least = self.greatest = torch.zeros(0)  # of the float result, a channel
        self.before = self.after = torch.zeros(0, dtype=torch.int64)  # counts a code; `before` is padded

    def add(self, xs: Sequence[Any], y: Any, reals: Sequence[Any], result: Any) -> None:
        """Float inputs and result, and what the integers stand for; only float tensors count."""
        if not isinstance(y, Tensor) or not y.is_floating_point():
            return
        self.shape = tuple(y.shape[1:])
        signal, noise = self._energy(y), self._energy(result - y)
        self.signal, self.noise = self.signal + signal.sum(0), self.noise + noise.sum(0)
        self.image_signal += signal.sum(1).tolist()
        self.image_noise += noise.sum(1).tolist()
        self.alone = self.alone + self._energy(alone(self.stage, xs) - y).sum(0)
        before = y
        for cause, variant in chain(self.stage, reals, result):
            if variant is not before:
                self.causes[cause] = self.causes[cause] + self._energy(variant - before).sum(0)
            if cause == "activation_clipping":
                self.saturated += int((variant != before).sum())
            before = variant
        self.count += y.numel()
        self._add_range(y)
        q = own_range(self.stage)
        if q is not None:
            self._add_codes(y, result, q)

    def _rows(self, y: Tensor) -> Tensor:
        """(n, channels, values); what stays float may be (n,)."""
        if y.dim() <= 2:
            return y.reshape(len(y), -1, 1)
        return y.movedim(channel_axis(self.stage.layer, y), 1).flatten(2)

    def _energy(self, y: Tensor) -> Tensor:
        """Sums of squares (n, channels), in double."""
        rows = self._rows(y)
        # One image's doubles at a time: of a whole batch of a large layer they would be 200 MB.
        return torch.stack([row.double().square_().sum(1) for row in rows])

    def _add_range(self, y: Tensor) -> None:
        rows = self._rows(y)
        least, greatest = rows.amin((0, 2)), rows.amax((0, 2))
        known = len(self.least) == len(least)
        self.least = torch.minimum(self.least, least) if known else least
        self.greatest = torch.maximum(self.greatest, greatest) if known else greatest

    def _add_codes(self, y: Tensor, result: Tensor, q: QParam) -> None:
        scaled = [(v.reshape(-1) / q.scale).round_() + q.zero_point for v in (y, result)]
        size = q.qmax + 1 + 2 * _BEYOND
        before, after = (
            torch.bincount(codes.clamp_(-_BEYOND, q.qmax + _BEYOND).long() + _BEYOND, minlength=size)
            for codes in scaled
        )
        known = len(self.before) == size
        self.before = self.before + before if known else before
        self.after = self.after + after if known else after

    def histogram(self) -> list[tuple[float, int, int]]:
        """(real value, count before, count after) of each code, and of as many beyond as occurred."""
        q = own_range(self.stage)
        if q is None or not len(self.before):
            return []
        found = torch.nonzero(self.before + self.after).flatten()
        if not len(found):
            return []
        first, last = min(int(found[0]), _BEYOND), max(int(found[-1]), _BEYOND + q.qmax)
        return [
            ((i - _BEYOND - q.zero_point) * q.scale, int(self.before[i]), int(self.after[i]))
            for i in range(first, last + 1)
        ]

    @property
    def sqnr_db(self) -> float | None:
        return sqnr_db(float(self.signal.sum()), float(self.noise.sum()))

    @property
    def alone_db(self) -> float | None:
        return sqnr_db(float(self.signal.sum()), float(self.alone.sum()))

    @property
    def saturated_share(self) -> float:
        return self.saturated / self.count if self.count else 0.0

    @property
    def codes_used(self) -> float | None:
        """Share of the codes that occurred at all, of those that the layer can give."""
        q = own_range(self.stage)
        if q is None or not len(self.after):
            return None
        low, high = getattr(self.stage.layer, "code_range", (0, q.qmax))
        return int((self.after[_BEYOND + low : _BEYOND + high + 1] > 0).sum()) / (high - low + 1)

    @property
    def reached(self) -> tuple[float, float]:
        """What the float result spans, over all channels."""
        return (float(self.least.min()), float(self.greatest.max())) if len(self.least) else (0.0, 0.0)
