"""The grid on which a layer's weights lie: codes and scales while a method chooses them, and as a tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..modules.weighted import QWeighted
from ..tuning import Tuning
from ..weight_scales import best_weight_scales
from ..weights import choose_weight_qparams

_COARSEST = 4.0


@dataclass
class Grid:
    """The weights s q of one group: codes q (oc, K) in low .. high, scales s (oc,), all float64.

    `low`, `high` (oc,) are the least and the greatest code, less `zero_point`. No scale falls below
    `least` (oc,). `free` (oc,): whether the row has a scale for itself, which may move.
    """

    codes: torch.Tensor
    scale: torch.Tensor
    least: torch.Tensor
    zero_point: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    free: torch.Tensor

    @property
    def weight(self) -> torch.Tensor:
        return self.codes * self.scale[:, None]

    def nearest(self, weight: torch.Tensor) -> torch.Tensor:
        """The codes of weights (oc, k)."""
        return torch.round(weight / self.scale[:, None]).clamp(self.low[:, None], self.high[:, None])


def grids_of(layer: QWeighted, groups: int) -> list[Grid]:
    """A grid for each group of a frozen layer, with the scales of best_scales; codes not yet."""
    q, (scale, zero_point, cut) = layer.q_weight, best_scales(layer)
    weight, least = layer.float_weights()[0], least_scales(layer)
    free = ~cut if q.axis is not None and not q.power_of_two else torch.zeros_like(cut)
    rows = [
        t.expand(len(weight)).view(groups, -1)
        for t in (scale, least, zero_point, q.qmin - zero_point, q.qmax - zero_point)
    ]
    frees = free.expand(len(weight)).view(groups, -1)
    return [Grid(torch.empty(0), *(r[i].double() for r in rows), frees[i]) for i in range(groups)]


def least_scales(layer: QWeighted) -> torch.Tensor:
    """float32: what the scales may not fall below; the bias may double before they are too small for it."""
    q, (weight, bias) = layer.q_weight, layer.float_weights()
    room = None if bias is None else 2 * bias.detach()
    zeros = torch.zeros_like(weight.detach())
    return choose_weight_qparams(zeros, q.num_bits, q.scheme, room, layer.q_in.scale)[0]


def best_scales(layer: QWeighted) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scales (float32) and zero points (int32) of a frozen layer's float weights, and which scales are cut.

    Scales are those of least squared error (best_weight_scales), or the powers of two that hold the weights.
    Where one unit of the accumulator would be more than _COARSEST codes of the result, the scale is cut to
    one code: so it is where the inputs are always 0 and training left their weights, or BatchNorm's gain, to
    chance. Nothing would be left of the bias, which is all that such a channel says.
    """
    q, (weight, bias), s_in = layer.q_weight, layer.float_weights(), layer.q_in.scale
    room = None if bias is None else 2 * bias.detach()
    if q.power_of_two:
        scale, zero_point = choose_weight_qparams(weight, q.num_bits, q.scheme, room, s_in, True)
        return scale, zero_point, torch.zeros_like(scale, dtype=torch.bool)
    scale, zero_point = best_weight_scales(weight.detach(), q.num_bits, q.scheme, room, s_in)
    one_code = scale.new_tensor(layer.q_out.scale / s_in)
    cut = scale > _COARSEST * one_code
    if q.axis is None:
        cut = torch.zeros_like(cut)
    return torch.where(cut, torch.maximum(one_code, least_scales(layer)), scale), zero_point, cut


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
