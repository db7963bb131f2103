"""One choice of bits made real: quantized, frozen, its file weighed, judged on the images and timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from .. import bench
from ..frozen import FrozenModel
from ..quantized import QuantizedModel
from .costs import Cost
from .items import ACTIVATIONS, WEIGHTS, Bits, Item, named
from .metric import Metric
from .plan import Clock, OutOfTime
from .state import State

ROUNDS, ROUND_SECONDS = 5, 0.03  # of timing, in turn with the model that has the most bits


@dataclass(frozen=True)
class Point:
    """One model that was evaluated: its bits by layer name, and what they came to.

    `bytes` are those of the file. `milliseconds` is the least time of one image, called from Python, on
    as many threads as icepoint.get_num_threads() says, freed from the machine's drift by timing the
    model of most bits in turn with it. `cost` is its price before it was made, as order.py saw it;
    `seconds` went into making and judging it; `found` tells which part of the search came to it.
    """

    weight_bits: dict[str, int]
    activation_bits: dict[str, int]
    metric: float
    bytes: int
    milliseconds: float
    cost: float
    seconds: float
    found: str

    @property
    def bits(self) -> Bits:
        return {Item(WEIGHTS, name): b for name, b in self.weight_bits.items()} | {
            Item(ACTIVATIONS, name): b for name, b in self.activation_bits.items()
        }

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class NoIntegers(ValueError):
    """The integers of a choice of bits cannot be made: fewer bits of weights make a layer's multiplier
    greater, and it has to be less than 2^29."""


class Evaluator:
    """Evaluates choices of bits, each once; what the state knows is not measured again.

    `base` is the model with the most bits, `top`, and took `seconds_quantizing`. Every evaluation asks the
    clock before it starts.
    """

    def __init__(
        self,
        base: QuantizedModel,
        top: Bits,
        metric: Metric,
        state: State,
        clock: Clock,
        prices: Cost,
        advance: Callable[[int, str], None],
        evaluations: int,
        seconds_quantizing: float,
    ):
        self.base, self.top, self.metric = base, top, metric
        self.state, self.clock, self.prices, self._advance = state, clock, prices, advance
        self._reference = frozen_of(base)
        self.points: dict[tuple[tuple[Item, int], ...], Point] = {}
        #: What has no integers, and why.
        self.failed: dict[tuple[tuple[Item, int], ...], str] = {}
        #: How many evaluations may follow, known ones included, and what one takes.
        self.left, self.seconds_each = evaluations, 0.0
        self._seconds_quantizing = seconds_quantizing
        self._last: tuple[Bits, QuantizedModel] | None = None

    def point(self, bits: Bits, found: str) -> Point:
        """The point of these bits. OutOfTime where the clock or the count allows no other one, NoIntegers."""
        key = _key(bits)
        if not self.knows(bits):
            if self.left < 1:
                raise OutOfTime("all evaluations used")
            told = self.state.recall(f"point {in_words(bits)}", lambda: self._measured(bits))
            self.left -= 1
            if "failed" in told:
                self.failed[key] = told["failed"]
                self._advance(1, f"{found}: no integers")
            else:
                self.seconds_each = told["seconds"]
                self.points[key] = Point(
                    named(bits, WEIGHTS), named(bits, ACTIVATIONS), told["metric"], told["bytes"],
                    told["milliseconds"], self.prices.of(bits), told["seconds"], found,
                )  # fmt: skip
                self._advance(1, f"{found}: {self.metric.name} {told['metric']:.4f}, {told['bytes']:,} bytes")
        if key in self.failed:
            raise NoIntegers(self.failed[key])
        return self.points[key]

    def knows(self, bits: Bits) -> bool:
        """Whether this search has come to these bits before."""
        return _key(bits) in self.points or _key(bits) in self.failed

    def retimed(self, point: Point, milliseconds: float) -> None:
        """Gives a point a better time."""
        self.points[_key(point.bits)] = replace(point, milliseconds=milliseconds)

    def model(self, bits: Bits) -> QuantizedModel:
        """The quantized model of these bits, made again where it is not the last one."""
        if self._last is not None and self._last[0] == bits:
            return self._last[1]
        return self.base if bits == self.top else self.base.again(
            weight_bits=named(bits, WEIGHTS), activation_bits=named(bits, ACTIVATIONS)
        )  # fmt: skip

    def _measured(self, bits: Bits) -> dict[str, Any]:
        if self.points:  # the first one always: without it there is nothing to give back
            self.clock.check(0.5 * self.seconds_each)
        start = time.monotonic()
        try:
            q = self.model(bits)
            frozen = frozen_of(q)
        except ValueError as error:
            return {"failed": str(error)}
        self._last = (dict(bits), q)
        metric = self.metric.of(frozen)
        ours, reference = interleaved([frozen, self._reference])
        anchor = self.state.recall("milliseconds of most bits", lambda: reference)
        return {
            "metric": metric,
            "bytes": len(frozen.file_bytes),
            "milliseconds": ours / reference * anchor,
            "seconds": time.monotonic() - start + (self._seconds_quantizing if q is self.base else 0.0),
        }


def in_words(bits: Bits) -> str:
    """What a state knows them by."""
    return " ".join(f"{item.kind[0]}:{item.name}={b}" for item, b in _key(bits))


def _key(bits: Bits) -> tuple[tuple[Item, int], ...]:
    return tuple(sorted(bits.items()))


def frozen_of(q: QuantizedModel) -> FrozenModel:
    """The file's model; ValueError, with the list, where operators would stay float."""
    frozen = q.freeze()
    assert isinstance(frozen, FrozenModel)
    return frozen


def interleaved(models: list[FrozenModel], rounds: int = ROUNDS) -> list[float]:
    """The least milliseconds of one image of each, timed in turn: what slows one down slows the others."""
    least = [float("inf")] * len(models)
    for _ in range(rounds):
        for i, model in enumerate(models):
            least[i] = min(least[i], bench.time_calls(model, 1, ROUND_SECONDS)["min_us"] / 1e3)
    return least
