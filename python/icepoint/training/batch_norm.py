"""BatchNorm folded into integers while its statistics are still those of each batch.

Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference" (2018), section 3.2.2: the
weights are always folded by the running statistics, so their codes are those of the deployed file, and a
gain and an offset a channel correct the result to the batch's statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..modules.folding import composed

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class BatchCorrection:
    """gain, offset float64 (c,): gain y + offset is what `maps` give by the statistics of this batch.

    `y` (n, c, ...) is the result of `maps` by running statistics; the first BatchNorm among them goes over
    to the batch's. It normalized u, of which y = slope u + constant, slope = gamma / running_deviation times
    the gains behind it. So with centre, the value of y where u is its mean,

        batch_mean = running_mean + (mean(y) - centre) / slope,    batch_var = var(y) / slope^2
        gain = running_deviation / batch_deviation,                offset = centre - gain mean(y)

    and no second convolution is needed: the statistics are of what the fake-quantized weights give. A
    channel with slope 0 (gamma 0) does not depend on u: gain 1, offset 0, its statistics at rest. ValueError
    for one value a channel.
    """

    def __init__(self, maps: Sequence[nn.Module], y: torch.Tensor):
        place = next(i for i, m in enumerate(maps) if isinstance(m, NORMS))
        self.norm: nn.Module = maps[place]
        self._count = y.numel() // y.shape[1]
        if self._count < 2:
            raise ValueError(f"expected more than one value a channel in train mode, found {tuple(y.shape)}")
        self._y = y
        self._slope, _ = composed(maps[place:], y.shape[1])
        gain, offset = composed(maps[place + 1 :], y.shape[1])
        self._centre = offset if self.norm.bias is None else offset + gain * self.norm.bias.double()
        with torch.no_grad():
            self._measure()

    def _measure(self) -> None:
        mean, variance = (v.double() for v in torch.batch_norm_update_stats(self._y, None, None, 0.0))
        lives = self._slope != 0
        slope = torch.where(lives, self._slope, 1.0)
        norm, running_mean = self.norm, self.norm.running_mean.double()
        running_variance = norm.running_var.double()
        self._mean = torch.where(lives, running_mean + (mean - self._centre) / slope, running_mean)
        self._variance = torch.where(lives, variance / slope**2, running_variance)
        self._running = torch.sqrt(running_variance + norm.eps)
        self.gain = self._running / torch.sqrt(self._variance + norm.eps)
        self.offset = torch.where(lives, self._centre - self.gain * mean, 0.0)
        self._mean_of_y, self._lives = mean, lives

    def corrected(self) -> torch.Tensor:
        """gain y + offset, float32, with gradients through the batch's mean and variance."""
        return _Normalize.apply(self._y, self._slope, self._centre, self)

    def update_running(self) -> None:
        """Moves the running statistics by the BatchNorm's momentum, as torch does: an unbiased variance.

        No momentum (None: torch's cumulative average) leaves them where they are.
        """
        unbiased = torch.where(self._lives, self._count / (self._count - 1.0), 1.0)
        with torch.no_grad():
            self.norm.running_mean.lerp_(self._mean.float(), self.norm.momentum or 0.0)
            self.norm.running_var.lerp_((self._variance * unbiased).float(), self.norm.momentum or 0.0)


class _Normalize(torch.autograd.Function):
    """gain y + offset = weight normalized(y) + centre, with weight = running_deviation |slope|.

    torch's own forward and backward of BatchNorm, with an eps a channel: deviation(y)^2 = var(y) + eps
    slope^2. The slope enters twice, d gain / d slope = gain / slope var(y) / deviation(y)^2.
    """

    @staticmethod
    def forward(ctx: Any, y, slope, centre, c: BatchCorrection):
        inverse = torch.where(c._lives, c.gain / (c._running * slope.abs()), 0.0)  # 1 / deviation(y)
        variance_share = c._variance / (c._variance + c.norm.eps)
        ctx.save_for_backward(y, slope, c._mean_of_y, inverse, c._running, variance_share)
        zeros, ones = torch.zeros(y.shape[1]), torch.ones(y.shape[1])
        return F.batch_norm(y, zeros, ones, c.gain.float(), c.offset.float(), False, 0.0, 0.0)

    @staticmethod
    def backward(ctx: Any, grad):
        y, slope, mean, inverse, running, variance_share = ctx.saved_tensors
        weight = (running * slope.abs()).float()
        dy, d_weight, d_centre = torch.ops.aten.native_batch_norm_backward(
            grad, y, weight, None, None, mean.float(), inverse.float(), True, 0.0, [True, True, True]
        )
        at_rest = slope == 0
        if bool(at_rest.any()):
            dy[:, at_rest] = grad[:, at_rest]
        d_slope = d_weight.double() * running * slope.sign() * variance_share
        return dy, d_slope, torch.where(at_rest, 0.0, d_centre.double()), None
