"""Which values share one scale and zero point, so that a concatenation moves bytes and computes nothing.

Max pooling, slices, permutations, clamps and reshapes keep their input's QParam by themselves. A
concatenation joins values that different layers made: where all of them mean the same by a code, their
bytes only move, and the producers can write where the result lies. docs/decisions/0020 has the rule
and what it was measured on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .capture import Reshape
from .modules import QConcat, QModule
from .qparams import QParam
from .stages import Stage, own_qparam

#: A shared range is at most so many times that of any member that a computing layer reads: one bit.
WIDEST = 2.0


@dataclass
class Own:
    """The QParam that a layer observed for itself, and the attribute in which the layer keeps it."""

    layer: QModule
    name: str
    q: QParam

    def restore(self) -> None:
        setattr(self.layer, self.name, self.q)


@dataclass
class _Group:
    """Values of one range. `least` is the smallest own range that must not become much coarser."""

    low: float
    high: float
    least: float
    members: list[Own]

    def with_(self, other: _Group) -> _Group:
        return _Group(
            min(self.low, other.low),
            max(self.high, other.high),
            min(self.least, other.least),
            self.members + other.members,
        )

    def is_fine_enough(self, widest: float) -> bool:
        return self.high - self.low <= widest * self.least


def share_ranges(stages: Sequence[Stage], outputs: Sequence[int], widest: float = WIDEST) -> list[Own]:
    """Gives each group of values that concatenations join the union of their ranges, as one QParam.

    Concatenations and their inputs are taken in order; an input joins its concatenation's group unless
    the union would be more than `widest` times the own range of a member that any layer computes with or
    that is an output. A member that only concatenations read loses nothing: there it would be
    requantized to the union in any case. Returns what every layer had before; `restore` gives it back.
    """
    owns = {stage.output: own for stage in stages if (own := _own(stage)) is not None}
    sources = sources_of(stages)
    computed = _computed(stages, outputs, sources)
    groups: dict[int, _Group] = {}
    for value, own in owns.items():
        low, high = own.q.min, own.q.max
        # A value that was always 0 is exact in any range.
        least = high - low if value in computed and high > low else float("inf")
        groups[value] = _Group(low, high, least, [own])
    of = {value: value for value in owns}  # a value -> the key of its group
    for stage in stages:
        if not isinstance(stage.layer, QConcat):
            continue
        for value in stage.inputs:
            mine, others = of[stage.output], of[sources[value]]
            if mine == others:
                continue
            union = groups[mine].with_(groups[others])
            bits = {own.q.num_bits for own in union.members}
            if len(bits) == 1 and union.is_fine_enough(widest):
                groups[mine] = union
                del groups[others]
                of = {v: mine if key == others else key for v, key in of.items()}
    for group in groups.values():
        if len(group.members) > 1:
            first = group.members[0].q
            shared = QParam.of_range(group.low, group.high, first.num_bits, first.power_of_two)
            for own in group.members:
                setattr(own.layer, own.name, shared)
    return list(owns.values())


def _own(stage: Stage) -> Own | None:
    """Where a stage's result has a QParam of its own; None where it keeps its input's, and of a float."""
    name = own_qparam(stage.layer)
    return None if name is None else Own(stage.layer, name, getattr(stage.layer, name))


def _moves(stage: Stage) -> bool:
    return isinstance(stage.layer, (QModule, Reshape)) and own_qparam(stage.layer) is None


def sources_of(stages: Sequence[Stage]) -> dict[int, int]:
    """For every value the one that was computed and of which it is a rearrangement."""
    sources: dict[int, int] = {}
    for stage in stages:
        first = stage.inputs[0]
        sources[stage.output] = sources.get(first, first) if _moves(stage) else stage.output
    return sources


def _computed(stages: Sequence[Stage], outputs: Sequence[int], sources: dict[int, int]) -> set[int]:
    """The sources that a layer computes with, or that the network returns."""
    read = set(outputs)
    for stage in stages:
        if not (_moves(stage) or isinstance(stage.layer, QConcat)):
            read.update(stage.inputs)
    return {sources.get(value, value) for value in read}
