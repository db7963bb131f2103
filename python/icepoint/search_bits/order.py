"""The order in which bits are given up: always where the least noise is made for what is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .costs import Cost
from .items import Bits, Item

Noise = Mapping[Item, Mapping[int, float]]
Options = Mapping[Item, Sequence[int]]

_TINY = 1e-30  # noise that rounds to nothing still has an order


def noise_of(bits: Mapping[Item, int], noise: Noise) -> float:
    """The proxy: what each item's bits add to the outputs' error alone, summed; 0 for its most bits."""
    return sum(noise[item].get(b, 0.0) for item, b in bits.items() if item in noise)


def path(start: Bits, options: Options, cost: Cost, noise: Noise) -> list[Bits]:
    """From `start` one item after the other with fewer bits, until no option is left; without `start`.

    A step goes to the option with the least noise for each unit that it saves. For prices that add up
    these are the corners of the convex hull of noise against cost, the solutions of the Lagrangian: the
    allocation of Y. Shoham and A. Gersho, "Efficient Bit Allocation for an Arbitrary Set of Quantizers"
    (1988), with the measured sensitivities that HAWQ-V2 and V3 take from Hessians in its place.

    >>> from .costs import Additive
    >>> a, b = Item("weights", "a"), Item("weights", "b")
    >>> cost = Additive({a: {8: 8.0, 4: 4.0}, b: {8: 8.0, 4: 4.0}})
    >>> steps = path({a: 8, b: 8}, {a: [4], b: [4]}, cost, {a: {4: 0.5}, b: {4: 0.1}})
    >>> [(bits[a], bits[b]) for bits in steps]
    [(8, 4), (4, 4)]
    """
    found, now = [], dict(start)
    while moves := _moves(now, options, cost, noise):
        _, item, b = min(moves, key=lambda move: move[0])
        now = {**now, item: b}
        found.append(now)
    return found


def _moves(now: Bits, options: Options, cost: Cost, noise: Noise) -> list[tuple[float, Item, int]]:
    """(noise for each unit saved, item, bits) of each option that saves something."""
    price, found = cost.of(now), []
    for item, choices in options.items():
        for b in choices:
            if b < now[item] and (saved := price - cost.of({**now, item: b})) > 0:
                made = noise[item][b] - noise[item].get(now[item], 0.0)
                found.append((max(made, _TINY) / saved, item, b))
    return found


def exchanges(
    now: Bits, options: Options, top: Bits, cost: Cost, noise: Noise, least: float = 0.0
) -> list[Bits]:
    """One item with more bits and another with fewer, which saves more than `least` in all; the least
    noise for each unit saved first."""
    price, loud = cost.of(now), noise_of(now, noise)
    found = []
    for up, choices in options.items():
        for more in (b for b in (top[up], *choices) if b > now[up]):
            raised = {**now, up: more}
            for down, fewer in options.items():
                for b in (b for b in fewer if down != up and b < now[down]):
                    tried = {**raised, down: b}
                    if (saved := price - cost.of(tried)) > least:
                        found.append(((noise_of(tried, noise) - loud) / saved, len(found), tried))
    return [tried for _, _, tried in sorted(found, key=lambda f: f[:2])]
