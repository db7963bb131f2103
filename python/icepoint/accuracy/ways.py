"""Ways: which layers make a channel, carry it by itself, and read it, so that all could have copies of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from ..capture import Captured, Step
from ..capture.functions import channels_of, is_function
from ..capture.operators import Affine, Pad, Resize, Slice
from ..layers import WEIGHTED
from .weighted import reads_pictures, weights_of

_MAPS = (nn.BatchNorm1d, nn.BatchNorm2d, Affine)
_MOVES = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, Resize)


@dataclass
class Way:
    """`producer`, the depthwise layers and `maps` a channel that carry its channels, and all `readers`."""

    producer: Step
    carriers: list[Step] = field(default_factory=list)
    maps: list[Step] = field(default_factory=list)
    readers: list[Step] = field(default_factory=list)

    @property
    def makers(self) -> list[Step]:
        """What has weights of its own for each channel."""
        return [self.producer, *self.carriers]

    @property
    def count(self) -> int:
        """Channels of the producer."""
        return len(weights_of(self.producer.module)[0])


def ways(graph: Captured) -> list[Way]:
    """A way for every layer of one group whose channels all reach layers of one group, alone.

    Between them each channel goes by itself: functions of one number, pools, padding, resizing, BatchNorm,
    depthwise layers. Sums, products, concatenations, shuffles and reshapes end it, and so do outputs.
    """
    readers, found = graph.readers(), []
    for step in graph.steps:
        if isinstance(step.module, WEIGHTED) and _groups(step.module) == 1:
            way = Way(step)
            if _reach(readers, step.output, way) and way.readers:
                found.append(way)
    return found


def _reach(readers: dict[int, list[Step | None]], value: int, way: Way) -> bool:
    """Adds what a value reaches; whether every reader takes the channels as they are."""
    flat = isinstance(way.producer.module, nn.Linear)
    for step in readers.get(value, []):
        if step is None or len(step.inputs) != 1:
            return False
        module = step.module
        if isinstance(module, WEIGHTED) and _groups(module) == 1:
            if reads_pictures(module) is flat:
                return False
            way.readers.append(step)
            continue
        if _is_depthwise(module, way.count):
            way.carriers.append(step)
        elif isinstance(module, _MAPS):
            way.maps.append(step)
        elif not _keeps_channels(module, flat):
            return False
        if not _reach(readers, step.output, way):
            return False
    return True


def _groups(module: nn.Module) -> int:
    return getattr(module, "groups", 1)


def _is_depthwise(module: nn.Module, count: int) -> bool:
    return isinstance(module, WEIGHTED) and _groups(module) == count == len(weights_of(module)[0])


def _keeps_channels(module: nn.Module, flat: bool) -> bool:
    """Whether a module does the same to every channel, whatever the others are."""
    if is_function(module):
        return channels_of(module) is None
    if flat:
        return False
    if isinstance(module, Slice):
        return module.axis > 1
    return isinstance(module, _MOVES) or (isinstance(module, Pad) and list(module.channels) == [0, 0])
