"""Channel splitting: channels whose rounding harms the outputs most are made several times, dithered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..capture import Captured
from ..modules.weighted import QWeighted
from ..tuning import Tuning
from .copies import with_columns, with_rows
from .evidence import Evidence
from .rounding_noise import RoundingNoise, rounding_noise
from .scaling import refuse_tuned
from .ways import Way, ways

#: Where the rounding of activations leaves the outputs less than this, one answer of twenty changes and time
#: is well spent: channels are split until it would leave GOAL_DB (rounded weights add as much again).
LEAST_DB, GOAL_DB = 27.0, 33.0
BUDGET, LARGE_BUDGET = 0.25, 0.4  # of the network's multiply-accumulates
_MOST = 4  # copies of a channel: two bits more
_BLOCK = 8  # no vector is shorter: 12 channels take as long as 16
_LEAST = 0.25  # a block takes away so many % of the noise for each % of multiply-accumulates, or is left


def split_channels(graph: Captured, evidence: Evidence, budget: float = BUDGET) -> Captured:
    """The same float function in which some channels are made 2 or 4 times and read as their mean.

    A copy's weights behind it are divided by the number n of copies (R. Zhao et al., "Improving Neural
    Network Quantization without Retraining using Outlier Channel Splitting", ICML 2019), and copy t of n is
    shifted by (2 t - n + 1) / 2 n steps of its scale, so that the copies round differently and their mean has
    log2(n) bits more: 1 / n^2 of the noise. Depthwise layers between carry the copies (ways).

    Nothing is done where the rounding of activations alone leaves the outputs LEAST_DB. Else the copies that
    take away most noise (rounding_noise) for a multiply-accumulate are added, in blocks of 8 a layer, until
    GOAL_DB is reached or `budget` of the network's multiply-accumulates is spent. Layers with results or
    weights of fewer than 8 bits, which are to save work, are left. ValueError where a method chose weights
    already.
    """
    if graph.missing:
        return graph
    layers = {s.steps[0].output: s.layer for s in evidence.quantized(graph).stages if s.steps}
    eight = {at for at, layer in layers.items() if _has_8_bits(layer)}
    found = [
        way
        for way in ways(graph)
        if eight.issuperset(step.output for step in (*way.makers, *way.readers))
        and all(step.tuning.dither is None for step in way.makers)
    ]
    if not found:
        return graph
    times = _chosen(found, rounding_noise(graph, evidence), budget)
    return _split(graph, [(way, n) for way, n in zip(found, times, strict=True) if bool((n > 1).any())])


def _has_8_bits(layer: Any) -> bool:
    return isinstance(layer, QWeighted) and layer.num_bits == layer.q_weight.num_bits == 8


def split_more_channels(graph: Captured, evidence: Evidence) -> Captured:
    """split_channels that may spend 40 % of the network's multiply-accumulates."""
    return split_channels(graph, evidence, LARGE_BUDGET)


def _chosen(found: Sequence[Way], noise: RoundingNoise, budget: float) -> list[torch.Tensor]:
    """How many copies each channel of each way gets, int64 (c,): the best blocks that the budget holds."""
    times = [torch.ones(way.count, dtype=torch.int64) for way in found]
    wanted = noise.total - noise.signal / 10 ** (GOAL_DB / 10)
    if noise.total <= noise.signal / 10 ** (LEAST_DB / 10):
        return times
    costs = _Costs(found, noise)
    blocks = []
    for i, way in enumerate(found):
        for gain, before, after in _blocks(way, noise):
            worth = gain / noise.total * costs.total / costs.more(i, before, after, times)
            if worth < _LEAST:
                break
            blocks.append((worth, i, gain, before, after))
    spent = 0.0
    for _, i, gain, before, after in sorted(blocks, key=lambda block: (-block[0], block[1])):
        more = costs.more(i, before, after, times)
        if wanted <= 0:
            break
        if torch.equal(times[i], before) and spent + more <= budget * costs.total:
            times[i], spent, wanted = after, spent + more, wanted - gain
    return times


def _blocks(way: Way, noise: RoundingNoise) -> Iterator[tuple[float, torch.Tensor, torch.Tensor]]:
    """What a way may get, in order: (noise taken away, copies of each channel before and after), each time
    so many copies more that there are a multiple of _BLOCK, the most harmful channels first."""
    energy = sum(noise.channels[step.output] for step in way.makers)
    times = torch.ones(way.count, dtype=torch.int64)
    while True:
        before, gain = times.clone(), 0.0
        room = _BLOCK - way.count % _BLOCK if int(times.sum()) == way.count else _BLOCK
        while room:
            # From n to 2 n copies 3 / 4 n^2 of a channel's noise goes, for n copies more.
            gains = torch.where((times < _MOST) & (times <= room), energy * 0.75 / times**3, 0.0)
            c = int(gains.argmax())
            if not gains[c]:
                return
            gain, room = gain + float(gains[c] * times[c]), room - int(times[c])
            times[c] *= 2
        yield gain, before, times.clone()


class _Costs:
    """Multiply-accumulates, as copies are added: a layer's grow with the copies that it makes and reads."""

    def __init__(self, found: Sequence[Way], noise: RoundingNoise):
        self._ways, self._macs = found, noise.macs
        self._makes = {step.output: i for i, way in enumerate(found) for step in way.makers}
        self._reads = {step.output: i for i, way in enumerate(found) for step in way.readers}
        self.total = sum(noise.macs.values())

    def more(self, i: int, before: torch.Tensor, after: torch.Tensor, times: Sequence[torch.Tensor]) -> float:
        """What it costs to go over from some copies to others in way i, where other ways have `times`."""
        now, then = ([*times[:i], copies, *times[i + 1 :]] for copies in (before, after))
        way = self._ways[i]
        return sum(
            self._cost(s.output, then) - self._cost(s.output, now) for s in (*way.makers, *way.readers)
        )

    def _cost(self, at: int, times: Sequence[torch.Tensor]) -> float:
        cost = float(self._macs[at])
        for way in (self._makes.get(at), self._reads.get(at)):
            if way is not None:
                cost *= float(times[way].sum()) / len(times[way])
        return cost


def _split(graph: Captured, chosen: Sequence[tuple[Way, torch.Tensor]]) -> Captured:
    """The graph with times[c] copies of each channel c of each way, one behind the other."""
    if not chosen:
        return graph
    steps = {step.output: step for step in graph.steps}
    for way, times in chosen:
        of = torch.arange(way.count).repeat_interleave(times)
        n = times[of]
        t = torch.arange(len(of)) - (times.cumsum(0) - times)[of]
        dither = (2 * t - n + 1).double() / (2 * n)
        for at in (*way.makers, *way.maps):
            step = steps[at.output]
            refuse_tuned(step)
            bias = None if step.tuning.bias is None else step.tuning.bias[of]
            tuning = Tuning(bias=bias, dither=dither) if at in way.makers else step.tuning
            steps[at.output] = replace(step, module=with_rows(step.module, of), tuning=tuning)
        for at in way.readers:
            step = steps[at.output]
            refuse_tuned(step)
            steps[at.output] = replace(step, module=with_columns(step.module, of, n))
    return replace(graph, steps=list(steps.values()))
