"""Links: a layer with weights and those that read its channels, with nothing between that mixes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from ..capture import Captured, Reshape, Step
from ..capture.functions import Aten, Function
from ..capture.images import FromImage, ToImage
from ..capture.operators import Clamp, Pad, PermuteChannels, Resize, Slice
from ..layers import WEIGHTED, following_maps
from ..modules.function import Slopes
from .weighted import reads_pictures, weights_of

_POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)


@dataclass(frozen=True)
class Channels:
    """Which channel of a link's producer each channel of a value is: `of` int64, axis 1 of an image
    where `spatial`, else the last axis."""

    of: torch.Tensor
    spatial: bool


@dataclass(frozen=True)
class Link:
    """`producer` with the `maps` folded into it, all `consumers` of its channels, and clamps 0..b between."""

    producer: Step
    maps: list[Step]
    consumers: list[tuple[Step, torch.Tensor]]
    clamps: list[Step]

    @property
    def count(self) -> int:
        """Channels of the producer."""
        return len(weights_of(self.producer.module)[0])

    @property
    def high(self) -> float | None:
        """Where the channels are cut off, None where they are not."""
        return min((bound_of(step.module) for step in self.clamps), default=None)


def links(graph: Captured) -> list[Link]:
    """Every producer whose channels all reach layers with weights, by ways on which channel c of the producer
    may be divided by any s > 0: f(x / s) = f(x) / s. Clamps 0..b are on the way, for the caller to judge."""
    readers, reader, found = graph.readers(), graph.only_reader(), []
    for step in graph.steps:
        if not isinstance(step.module, WEIGHTED):
            continue
        maps = following_maps(step, reader)
        link = Link(step, maps, [], [])
        start = Channels(torch.arange(link.count), not isinstance(step.module, nn.Linear))
        if _reach(readers, (maps or [step])[-1].output, start, link) and link.consumers:
            found.append(link)
    return found


def mean_links(graph: Captured) -> list[Link]:
    """Every producer and, by a way, the layers that read means of its channels behind at most one ReLU or
    clamp 0..b, which is then the link's only clamp: averages and moves, but no maximum and no table."""
    readers, reader, found = graph.readers(), graph.only_reader(), []
    for step in graph.steps:
        if not isinstance(step.module, WEIGHTED):
            continue
        maps = following_maps(step, reader)
        value = (maps or [step])[-1].output
        clamps = [s for s in readers.get(value, []) if s is not None and is_clamp(s.module)]
        for way in (None, *clamps):
            link = Link(step, maps, [], [] if way is None else [way])
            start = Channels(torch.arange(link.count), not isinstance(step.module, nn.Linear))
            _reach(readers, value if way is None else way.output, start, link, averages=True)
            if link.consumers:
                found.append(link)
    return found


def _reach(
    readers: dict[int, list[Step | None]], value: int, channels: Channels, link: Link, averages: bool = False
) -> bool:
    """Adds the consumers that a value reaches; whether every way ends in one. `averages`: no other ways."""
    whole = True
    for step in readers.get(value, []):
        if step is None or len(step.inputs) != 1:
            whole = False
        elif isinstance(step.module, WEIGHTED):
            if reads_pictures(step.module) is channels.spatial:
                link.consumers.append((step, channels.of))
            else:
                whole = False
        elif not averages and bound_of(step.module) is not None:
            link.clamps.append(step)
            whole &= _reach(readers, step.output, channels, link)
        else:
            after = None if averages and is_clamp(step.module) else _behind(step.module, channels, averages)
            whole &= after is not None and _reach(readers, step.output, after, link, averages)
    return whole


def is_clamp(module: nn.Module) -> bool:
    """Whether a module is a ReLU, or a clamp to 0..b."""
    return isinstance(module, nn.ReLU) or bound_of(module) is not None


def bound_of(module: nn.Module) -> float | None:
    """b of a clamp to 0..b; None of anything else."""
    if isinstance(module, nn.ReLU6):
        return 6.0
    is_bound = isinstance(module, Clamp) and module.low == 0.0 and module.high is not None and module.high > 0
    return module.high if is_bound else None


def _behind(module: nn.Module, channels: Channels, averages: bool) -> Channels | None:
    """The channels behind a module with f(x / s) = f(x) / s a channel; None behind any other."""
    if _is_homogeneous(module):
        return None if averages else channels
    if isinstance(module, (ToImage, FromImage)):
        return channels if channels.spatial else None
    if isinstance(module, Reshape):
        return _reshaped(module.shape, channels)
    if not channels.spatial:
        return None
    if isinstance(module, PermuteChannels):
        return Channels(channels.of[module.order], True)
    if isinstance(module, Slice) and module.axis == 1:
        return Channels(channels.of[module.start : module.stop : module.step], True)
    pads = isinstance(module, Pad) and (module.mode != "constant" or module.value == 0.0)
    moves = (*_POOLS, Resize, Slice) if averages else (nn.MaxPool2d, *_POOLS, Resize, Slice)
    keeps = isinstance(module, moves) or (pads and list(module.channels) == [0, 0])
    return channels if keeps else None


def _is_homogeneous(module: nn.Module) -> bool:
    if isinstance(module, Clamp):
        return (module.low, module.high) in ((0.0, None), (None, 0.0))
    if not isinstance(module, Function):
        return isinstance(module, nn.ReLU)
    return isinstance(module.f, Slopes) or (isinstance(module.f, Aten) and module.f.name == "leaky_relu")


def _reshaped(shape: tuple[int, ...], channels: Channels) -> Channels | None:
    """(c, h, w) to (c, h', w') keeps the channels; to (c h w) each is repeated h w times. Features, the last
    axis, go on from (f) alone: those of (t, f) come t times in turn."""
    count = len(channels.of)
    if not channels.spatial and math.prod(shape) != count:
        return None
    if len(shape) > 1:
        return Channels(channels.of, True) if shape[0] == count else None
    each, rest = divmod(shape[0], count)
    return None if rest else Channels(channels.of.repeat_interleave(each), False)
