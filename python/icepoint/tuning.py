"""Tuning: what accuracy methods decided about the integers of one layer with weights."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch


@dataclass(frozen=True, eq=False)
class Tuning:
    """Changes of a layer's integers; None leaves what docs/numerics.md says. Floats have none of it.

    `weight`: float32, quantized in place of the layer's own (shape of the folded weight, output channels
    first), as learned rounding gives it. `weight_scale`: float32 (oc,) or (1,), in place of the one that
    just holds the greatest weight; raised where the bias needs it. `weight_zero_point`: int32 of the same
    shape, for affine weights. `bias`: float64 (oc,), added to the folded bias. `dither`: float64 (oc,), in
    steps of the result's scale, added to the bias as it becomes an integer: copies of a channel that differ
    in it alone round differently (split_channels). It is no correction: methods neither see nor change it.
    """

    weight: torch.Tensor | None = None
    weight_scale: torch.Tensor | None = None
    weight_zero_point: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    dither: torch.Tensor | None = None

    def of(self, weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The weight and bias that become integers, of the float layer's.

        >>> Tuning(bias=torch.tensor([0.5])).of(torch.ones(1, 2), torch.tensor([1.0]))[1]
        tensor([1.5000], dtype=torch.float64)
        """
        if self.bias is not None:
            bias = self.bias if bias is None else bias.double() + self.bias
        return (weight if self.weight is None else _Instead.apply(weight, self.weight)), bias

    def state(self) -> dict[str, Any]:
        """Tensors by name: what a state_dict carries, and Tuning(**state) takes back."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: tensor for name, tensor in found.items() if tensor is not None}


class _Instead(torch.autograd.Function):
    """A tuned weight in the place of the layer's own, which still gets the gradient."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, tuned: torch.Tensor) -> torch.Tensor:
        return tuned.view_as(tuned)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0], None
