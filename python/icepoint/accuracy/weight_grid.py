"""The grid on which a layer's weights lie: codes and scales while a method chooses them, and as a tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..modules.weighted import QWeighted
from ..tuning import Tuning
from ..weight_scales import best_weight_scales
from ..weights import choose_weight_qparams


@dataclass
class Grid:
    """The weights s q of one group: codes q (oc, K) in low .. high, scales s (oc,), all float64.

    `low`, `high` (oc,) are the least and the greatest code, less `zero_point`. No scale falls below
    `least` (oc,). `free`: whether each row has a scale for itself, which may move.
    """

    codes: torch.Tensor
    scale: torch.Tensor
    least: torch.Tensor
    zero_point: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    free: bool

    @property
    def weight(self) -> torch.Tensor:
        return self.codes * self.scale[:, None]

    def nearest(self, weight: torch.Tensor) -> torch.Tensor:
        """The codes of weights (oc, k)."""
        return torch.round(weight / self.scale[:, None]).clamp(self.low[:, None], self.high[:, None])


def grids_of(layer: QWeighted, groups: int) -> list[Grid]:
    """A grid for each group of a frozen layer, with the best scales of its float weights; codes not yet.

    The bias may double before a scale becomes too small for it.
    """
    q, scale_in, (weight, bias) = layer.q_weight, layer.q_in.scale, layer.float_weights()
    weight = weight.detach()
    room = None if bias is None else 2 * bias.detach()
    least, _ = choose_weight_qparams(torch.zeros_like(weight), q.num_bits, q.scheme, room, scale_in)
    if q.power_of_two:
        scale, zero_point = choose_weight_qparams(weight, q.num_bits, q.scheme, room, scale_in, True)
    else:
        scale, zero_point = best_weight_scales(weight, q.num_bits, q.scheme, room, scale_in)
    rows = [
        t.double().expand(len(weight)).view(groups, -1)
        for t in (scale, least, zero_point, q.qmin - zero_point, q.qmax - zero_point)
    ]
    free, codes = q.axis is not None and not q.power_of_two, torch.empty(0)
    return [Grid(codes, *(r[i] for r in rows), free) for i in range(groups)]


def tuning_of(layer: QWeighted, grids: Sequence[Grid], bias: torch.Tensor | None) -> Tuning:
    """The tuning that makes the grids' codes the layer's; `bias` (oc,) is added to its own."""
    count, scheme = (1 if layer.q_weight.axis is None else None), layer.q_weight.scheme
    zero_point = torch.cat([grid.zero_point for grid in grids]).to(torch.int32)[:count]
    return Tuning(
        weight=torch.cat([grid.weight for grid in grids]).view_as(layer.float_weights()[0]).float(),
        weight_scale=torch.cat([grid.scale for grid in grids]).float()[:count],
        weight_zero_point=None if scheme == "per_channel" else zero_point,
        bias=bias,
    )
