"""QATModel: a network whose forward value is that of its deployed integers, and which can be trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..frozen import FrozenModel
from ..modules import QModule
from ..modules.weighted import QWeighted
from ..quantized import QuantizedModel
from ..stages import own_qparam
from ..weight_scales import best_weight_scales
from .batch_norm import NORMS
from .flow import Flow, run_stage
from .learned import LearnedQParam, LearnedRange, LearnedWeightQParam
from .start import Start

FORWARDS = ("integer", "fake")
_ALWAYS = 1 << 62  # training steps


class QATModel(nn.Module):
    """An nn.Module for any training loop: float in, float out, a learned range for every tensor of codes.

    `training.prepare` makes one. forward takes and returns what the float model does. With
    forward="integer" the value of every layer, and so of the network, is what the frozen integer kernels
    give, dequantized; the gradient is that of the fake-quantized simulation of the same layer at the same
    input. In eval mode model(x) equals load(file)(x) bit for bit. With "fake" values are the simulation's.

    In train mode a BatchNorm takes the batch's statistics and moves its running ones, for the first
    `batch_statistics` steps or until freeze_statistics(); from then on, and always in eval mode, it is
    folded by the running ones. Dropout is off, as in the eval mode that was captured.

    `layers` hold the float weights, `ranges` and `weight_ranges` what is learned about codes. All of it is
    parameters and buffers: optimizers, state_dict, DistributedDataParallel and deepcopy see everything.
    """

    def __init__(
        self, quantized: QuantizedModel, forward: str = "integer", batch_statistics: int | None = None
    ):
        super().__init__()
        if forward not in FORWARDS:
            raise ValueError(f"forward: expected one of {', '.join(FORWARDS)}, found {forward!r}")
        if batch_statistics is not None and batch_statistics < 0:
            raise ValueError(f"batch_statistics: expected a number of steps, found {batch_statistics}")
        self.computes = forward
        # In a tuple, so that its QModules are no children: their state follows from what is learned.
        self._inner = (quantized,)
        self.layers, self.ranges, self.weight_ranges = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self._qparams = self._learned_qparams()
        has_norms = any(isinstance(m, NORMS) for m in self.layers.modules())
        steps = _ALWAYS if batch_statistics is None else batch_statistics
        #: Training steps with batch statistics that are still to come.
        self.register_buffer("steps_by_batch", torch.tensor(steps if has_norms else 0))
        self._integers()
        self.train()

    def _learned_qparams(self) -> list[LearnedQParam]:
        """Puts learned ranges in the place of observed ones: one for all layers that share a QParam."""
        learned: dict[int, LearnedQParam] = {}
        for i, stage in enumerate(self._inner[0].stages):
            layer, name = stage.layer, f"{stage.name.replace('.', '_')}_{i}"
            if not isinstance(layer, QModule):
                continue
            if isinstance(layer, QWeighted):
                self.weight_ranges[name] = weight_range_of(layer)
                q = layer.q_weight
                layer.q_weight = LearnedWeightQParam(self.weight_ranges[name], q.num_bits, q.scheme)
                if layer.tuning.state():
                    layer.tuning = Start(layer)  # a child, so `layers` have its buffers
            floats = nn.ModuleDict(dict(layer.named_children()))
            for module in floats.modules():
                if isinstance(module, NORMS):
                    module.num_batches_tracked = None  # captured without it: the momentum is a number
            if list(floats.parameters()) or list(floats.buffers()):
                self.layers[name] = floats
            if (own := own_qparam(layer)) is not None:
                q = getattr(layer, own)
                if id(q) not in learned:
                    self.ranges[name] = range_of(q)
                    if stage.gives_accumulators:  # no value depends on what its codes mean
                        self.ranges[name].requires_grad_(False)
                    learned[id(q)] = LearnedQParam(self.ranges[name], q.num_bits)
                setattr(layer, own, learned[id(q)])
        return list(learned.values())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The float model's arguments and results."""
        inner = self._inner[0]
        xs = inner.inputs_of(args, kwargs)
        by_batch = self.training and int(self.steps_by_batch) > 0
        exact = self.computes == "integer"
        with_gradients = torch.is_grad_enabled() or by_batch or not exact
        self._settle()
        values: dict[int, Any] = {
            i: Flow(x if with_gradients else None, (x, None) if exact else None) for i, x in enumerate(xs)
        }
        plan = inner.plan_of(xs)
        flows = plan.walk(values, lambda stage, given: run_stage(stage, given, by_batch))
        if by_batch:
            self.steps_by_batch -= 1
        ends = zip(flows, plan.captured.functions, strict=True)
        return inner.given([flow.output(function) for flow, function in ends])

    def train(self, mode: bool = True) -> QATModel:
        """Whether BatchNorm takes a batch's statistics; the float modules inside are read, never called."""
        super().train(mode)
        for module in self.layers.modules():
            module.training = False
        return self

    def freeze_statistics(self) -> None:
        """From now on BatchNorm is folded by its running statistics in train mode too, and moves none.

        After this the training step computes the deployed network itself.
        """
        self.steps_by_batch.zero_()

    @property
    def quantized(self) -> QuantizedModel:
        """The QuantizedModel that this is by now, on the same weights: report() and measure() judge it."""
        self._integers()
        return self._inner[0]

    def freeze(self, *args: Any, **kwargs: Any) -> FrozenModel:
        """The frozen model, as QuantizedModel.freeze gives it: BatchNorm folded by its running statistics.

        Training can go on afterwards.
        """
        return self.quantized.freeze(*args, **kwargs)

    def _settle(self) -> None:
        for q in self._qparams:
            q.settle()

    def _integers(self) -> None:
        self._settle()
        self._inner[0].refix()


def range_of(q: Any) -> LearnedRange:
    """What an activation learns: from the observed range on."""
    ends_at_zero = q.zero_point in (0, q.qmax)
    return LearnedRange(torch.tensor([q.scale]), torch.tensor([q.zero_point]), 0, q.qmax, not ends_at_zero)


def weight_range_of(layer: QWeighted) -> LearnedRange:
    """What a weight learns: from the recipe's scales on, and from those of least squared error without."""
    q = layer.q_weight
    if layer.tuning.weight_scale is None:
        weight = layer.tuned_weights()[0].detach()
        scales, zero_points = best_weight_scales(weight, q.num_bits, q.scheme)
    else:
        scales, zero_points = q.known()
    return LearnedRange(scales, zero_points, q.qmin, q.qmax, q.scheme != "per_channel")
