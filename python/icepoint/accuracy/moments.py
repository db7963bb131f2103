"""Second moments of what a layer with weights reads: all that a squared error of its result depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from ..qparams import QParam
from .patches import patches, places

#: Places of the result that count, spread over all images: K inputs cost K^2 multiplications for each.
PLACES = 1 << 14
_FINER = 256  # floats are rounded to multiples of scale / 256
_WIDEST = 2.0**20  # of those multiples: 4096 codes


@dataclass(frozen=True)
class Moments:
    """Sums over `count` places of the K inputs that a layer reads for one place of its result.

    In float z = scale * integer are the reals behind the codes and x = scale / 256 * integer the float
    network's inputs. `z`, `x` (groups, K) are sums of these integers, `zz` and `xz` (groups, K, K) those
    of their products: float64 and exact, so `+` gives the same for any order and grouping.
    """

    scale: float
    count: int
    z: torch.Tensor
    x: torch.Tensor
    zz: torch.Tensor
    xz: torch.Tensor

    def __add__(self, other: Moments) -> Moments:
        sums = [getattr(self, n) + getattr(other, n) for n in ("count", "z", "x", "zz", "xz")]
        return Moments(self.scale, *sums)

    @property
    def mean(self) -> torch.Tensor:
        """E[z], (groups, K)."""
        return self.z * (self.scale / self.count)

    @property
    def float_mean(self) -> torch.Tensor:
        """E[x], (groups, K)."""
        return self.x * (self.scale / _FINER / self.count)

    @property
    def covariance(self) -> torch.Tensor:
        """E[z z^T] - E[z] E[z]^T, (groups, K, K)."""
        return self.zz * (self.scale**2 / self.count) - self.mean[:, :, None] * self.mean[:, None]

    @property
    def cross(self) -> torch.Tensor:
        """E[x z^T] - E[x] E[z]^T, (groups, K, K)."""
        return (
            self.xz * (self.scale**2 / _FINER / self.count) - self.float_mean[:, :, None] * self.mean[:, None]
        )


def moments(
    module: nn.Module, images: Iterable[tuple[int, torch.Tensor, torch.Tensor]], q: QParam, step: int = 1
) -> Moments:
    """The moments of the inputs of `module` over images (number, float x (1, ...), codes of it).

    Of an image's places every `step`-th counts, from number % step on. A code less the zero point is an
    integer below 2^8, x one of at most 2^20: sums of 2^25 products stay below 2^53, exact.
    """
    found = []
    for i, x, codes in images:
        z = (codes.to(torch.int32) - q.zero_point).double()
        y = torch.round(x.double() * (_FINER / q.scale)).clamp(-_WIDEST, _WIDEST)
        z, y = (patches(module, v)[..., i % step :: step] for v in (z, y))
        one = Moments(q.scale, z.shape[2], z.sum(2), y.sum(2), z @ z.mT, y @ z.mT)
        found = [found[0] + one] if found else [one]
    return found[0]


def step_for(module: nn.Module, x: torch.Tensor, images: int) -> int:
    """The step with which the results for so many images as x (1, ...) have about PLACES places."""
    return -(-images * places(module, x) // PLACES)
