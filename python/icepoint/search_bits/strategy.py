"""The search itself: uniform bits, the path of least noise, and repairs, each step judged by the metric."""

from __future__ import annotations

from collections.abc import Sequence

from .evaluate import Evaluator, NoIntegers, Point
from .items import Bits, Item
from .metric import Budget
from .order import Noise, Options, exchanges, path

ENOUGH = 0.005  # of the cost: less is not worth a model to evaluate
MOST_EXCHANGES = 6  # in a row without a gain

Banned = dict[Item, int]


class Strategy:
    """Finds the cheapest bits that meet the budget; `best` is the answer whenever it is stopped.

    Everything depends only on the points' metrics and on costs and noise that were measured before, so
    the same facts give the same search.
    """

    def __init__(self, evaluator: Evaluator, budget: Budget):
        self.evaluator, self.budget = evaluator, budget
        self.top, self.cost = evaluator.top, evaluator.prices
        self.best: Point | None = None

    def try_(self, bits: Bits, found: str) -> bool:
        """Whether these bits meet the budget, which those without integers do not; the best point follows."""
        try:
            point = self.evaluator.point(bits, found)
        except NoIntegers:
            return False
        met = self.budget.met(point.metric)
        if self.best is None or self._order(point) < self._order(self.best):
            self.best = point
        return met

    def _order(self, point: Point) -> tuple[bool, float, float]:
        """Meeting the budget first, then the least cost, then the metric; where it is missed, the metric."""
        met, cost = self.budget.met(point.metric), point.cost
        return (not met, cost, -point.metric) if met else (True, -point.metric, cost)

    def uniform(self, options: Options) -> None:
        """The same bits everywhere, where fewer cost less, until one misses the budget."""
        choices: dict[str, set[int]] = {}
        for item, bits in options.items():
            choices.setdefault(item.kind, set()).update(bits)
        for b in sorted(set().union(*choices.values()), reverse=True):
            wanted = {
                item: min(most, max(b, min(choices[item.kind]))) if item.kind in choices else most
                for item, most in self.top.items()
            }
            if not self.try_(wanted, f"uniform {b}"):
                return

    def along(self, options: Options, noise: Noise) -> None:
        """Down the path of least noise to where the budget ends; then around the layer that broke it.

        The proxy may misjudge a layer: the step that first misses the budget is taken out of the options,
        and a new path starts from the best, until hardly anything is left to be won.
        """
        banned: Banned = {}
        now, found = dict(self.top), "path"
        while steps := path(now, _allowed(options, banned), self.cost, noise):
            if self.cost.of(now) - self.cost.of(steps[-1]) < ENOUGH * self.cost.of(now):
                break
            reached = self._last_met(steps, found, doubling=found == "repair")
            if reached == len(steps):
                break
            broke, before = steps[reached], now if reached == 0 else steps[reached - 1]
            item = next(i for i in broke if broke[i] != before[i])
            banned[item] = broke[item]
            now, found = self._start(before), "repair"
        self._exchange(options, noise)

    def _start(self, now: Bits) -> Bits:
        """The best point, if it is cheaper than where the path stands."""
        assert self.best is not None
        best = self.best.bits
        return best if self.budget.met(self.best.metric) and self.best.cost < self.cost.of(now) else now

    def _last_met(self, steps: Sequence[Bits], found: str, doubling: bool) -> int:
        """How many steps meet the budget, by bisection; `doubling` where few are expected to."""
        low, high = 0, len(steps) + 1  # low steps meet it, high do not
        reach = 1
        while high - low > 1:
            middle = min(low + reach, high - 1) if doubling else (low + high) // 2
            if self.try_(steps[middle - 1], found):
                low, reach = middle, 2 * reach
            else:
                high, doubling = middle, False
        return low

    def _exchange(self, options: Options, noise: Noise) -> None:
        """More bits for one item and fewer for another, as long as that wins something worth a model."""
        failures = 0
        while failures < MOST_EXCHANGES and self.best is not None:
            least = ENOUGH * self.best.cost
            tries = exchanges(self.best.bits, options, self.top, self.cost, noise, least)
            bits = next((bits for bits in tries if not self.evaluator.knows(bits)), None)
            if bits is None:
                return
            failures = 0 if self.try_(bits, "exchange") else failures + 1


def _allowed(options: Options, banned: Banned) -> Options:
    return {item: [b for b in bits if b > banned.get(item, 0)] for item, bits in options.items()}
