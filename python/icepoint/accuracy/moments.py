"""Second moments of what a layer with weights reads: all that a squared error of its result depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from ..qparams import QParam
from .patches import patches, places
from .weighted import weights_of

#: At most so many places of the result count, spread over all images, and so many products of inputs.
PLACES, _PRODUCTS = 1 << 14, 1 << 36
_FINER = 256  # float results are rounded to multiples of scale_out / 256
_WIDEST = 2.0**24  # of those multiples: 65536 codes


@dataclass(frozen=True)
class Moments:
    """Sums over `count` places of the K inputs of a layer there, and of what the layer makes in float.

    z = scale * integer are the reals behind the codes that it reads, y = scale_out * integer / 256 the float
    results W x of the float network's x, without bias and activation. `z` (groups, K) and `y` (groups, oc)
    are sums of these integers, `zz` (groups, K, K) and `yz` (groups, oc, K) those of their products, all
    float64 and exact: `+` gives the same for any order and grouping.
    """

    scale: float
    scale_out: float
    count: int
    z: torch.Tensor
    y: torch.Tensor
    zz: torch.Tensor
    yz: torch.Tensor

    def __add__(self, other: Moments) -> Moments:
        sums = [getattr(self, n) + getattr(other, n) for n in ("count", "z", "y", "zz", "yz")]
        return Moments(self.scale, self.scale_out, *sums)

    @property
    def mean(self) -> torch.Tensor:
        """E[z], (groups, K)."""
        return self.z * (self.scale / self.count)

    @property
    def result(self) -> torch.Tensor:
        """E[y], (groups, oc)."""
        return self.y * (self.scale_out / _FINER / self.count)

    @property
    def covariance(self) -> torch.Tensor:
        """E[z z^T] - E[z] E[z]^T, (groups, K, K)."""
        return self._centred(self.zz, self.z) * self.scale**2

    @property
    def cross(self) -> torch.Tensor:
        """E[y z^T] - E[y] E[z]^T, (groups, oc, K)."""
        return self._centred(self.yz, self.y) * (self.scale * self.scale_out / _FINER)

    def _centred(self, products: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
        """E[a z^T] - E[a] E[z]^T of integers: 0 for codes that never change. Of means in reals something like
        1e-17 would be left, and 1e17 of the weights that are divided by it."""
        return (products - sums[:, :, None] * self.z[:, None] / self.count) / self.count


def moments(
    module: nn.Module,
    images: Iterable[tuple[int, torch.Tensor, torch.Tensor]],
    q_in: QParam,
    scale_out: float,
    step: int = 1,
) -> Moments:
    """The moments over images (number, float results (oc, places), codes of the inputs of `module`).

    Of an image's places every `step`-th counts, from number % step on. A code less the zero point is an
    integer below 2^8, a result one of at most 2^24: sums of 2^21 products stay below 2^53, exact. So do those
    of 256 images where a layer reads sums over 2^12 places (merge_means).
    """
    sums: list[torch.Tensor] = []
    count = 0
    for i, y, codes in images:
        z = patches(module, (codes.to(torch.int32) - q_in.zero_point).double())[..., i % step :: step]
        y = torch.round(y[:, i % step :: step].double() * (_FINER / scale_out)).clamp(-_WIDEST, _WIDEST)
        y = y.view(len(z), -1, y.shape[1])
        parts = [z.sum(2), y.sum(2), z @ z.mT, y @ z.mT]
        sums = [total.add_(part) for total, part in zip(sums, parts, strict=True)] if sums else parts
        count += z.shape[2]
    return Moments(q_in.scale, scale_out, count, *sums)


def step_for(module: nn.Module, x: torch.Tensor, images: int) -> int:
    """The step with which the results for so many images as x (1, ...) keep to the limits."""
    inputs, groups = weights_of(module)[0][0].numel(), getattr(module, "groups", 1)
    most = min(PLACES, _PRODUCTS // (inputs**2 * groups))
    return -(-images * places(module, x) // max(1, most))
