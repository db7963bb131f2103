"""Where the training of a layer's weights begins: at what a recipe of corrections decided about them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..modules.weighted import QWeighted


class Start(nn.Module):
    """What a recipe added to a layer's weight and bias, added to the learned ones from then on.

    It takes the place of the layer's Tuning, whose `weight` would stand in the place of the learned one for
    ever. So the first integers are the recipe's own, and every later step of training moves them. `weight`
    float32 (oc, ...), `bias` and `dither` float64 (oc,) are buffers, None where the recipe changed nothing: a
    state_dict has them, no optimizer does. A bias that is added ahead of a BatchNorm by the batch's
    statistics comes to rest in its running mean.
    """

    def __init__(self, layer: QWeighted):
        super().__init__()
        tuning, (own, _), (tuned, _) = layer.tuning, layer.float_weights(), layer.tuned_weights()
        self.register_buffer("weight", None if tuning.weight is None else (tuned - own).detach().clone())
        self.register_buffer("bias", None if tuning.bias is None else tuning.bias.clone())
        self.register_buffer("dither", tuning.dither)  # copies of channels go on rounding differently

    def of(self, weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The weight and bias that become integers, of the learned ones; with their gradients."""
        if self.bias is not None:
            bias = self.bias if bias is None else bias.double() + self.bias
        return (weight if self.weight is None else weight + self.weight), bias

    def state(self) -> dict[str, Any]:
        """Nothing beside the buffers."""
        return {}
