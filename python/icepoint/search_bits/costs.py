"""What a choice of bits costs: bytes of the file, milliseconds on this machine, or operations on bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .items import Bits, Item, Network

COSTS = ("bytes", "milliseconds", "bit_operations")

#: A time counts as shorter only by so much: of the layer's own, and of the whole network's.
LESS_OF_LAYER, LESS_OF_ALL = 0.05, 0.005

Table = dict[Item, dict[int, float]]


class Cost(Protocol):
    """The price of bits, known before anything is quantized with them."""

    def of(self, bits: Mapping[Item, int]) -> float:
        """The price; what every choice has in common may be missing in it."""
        ...


@dataclass(frozen=True)
class Additive:
    """Each item has a price of its own, and all others are free."""

    table: Table

    def of(self, bits: Mapping[Item, int]) -> float:
        return sum(prices[bits[item]] for item, prices in self.table.items())


@dataclass(frozen=True)
class BitOperations:
    """MACs x bits of the weights x bits of what they meet, as Z. Yao et al. count them (HAWQ-V3, ICML 2021,
    "BOPS"): for those who build hardware; no CPU is faster by it."""

    layers: Sequence[tuple[Item, Item | None, int]]  # weights, the results they read, MACs

    def of(self, bits: Mapping[Item, int]) -> float:
        return float(sum(macs * bits[w] * (bits.get(x, 8) if x else 8) for w, x, macs in self.layers))


def bytes_of_weights(network: Network, candidates: Sequence[int]) -> Additive:
    """Bytes of the packed weights: each row of b-bit codes is padded to a byte (docs/format.md)."""
    table: Table = {}
    for layer in network.layers:
        prices = table.setdefault(layer.item, dict.fromkeys(candidates, 0.0))
        for b in candidates:
            prices[b] += layer.rows * -(-layer.row * b // 8)
    return Additive(table)


def milliseconds_of(network: Network, measured: Mapping[int, Sequence[float]]) -> Additive:
    """Prices from times that were measured: {bits: milliseconds of each layer with weights, in order}.

    Few bits are not always faster, and times are noisy: what is not clearly shorter costs as much as the
    next more bits. Bits of results are free: no kernel looks at them, codes are bytes to all.
    """
    table: Table = {}
    for k, layer in enumerate(network.layers):
        prices = table.setdefault(layer.item, dict.fromkeys(measured, 0.0))
        for b, times in measured.items():
            prices[b] += times[k]
    total = sum(measured[max(measured)])
    return Additive({item: _only_clearly_less(prices, total) for item, prices in table.items()})


def _only_clearly_less(prices: Mapping[int, float], total: float) -> dict[int, float]:
    found: dict[int, float] = {}
    least = float("inf")
    for b in sorted(prices, reverse=True):
        needed = max(LESS_OF_LAYER * least, LESS_OF_ALL * total) if found else 0.0
        least = prices[b] if not found or least - prices[b] > needed else least
        found[b] = least
    return found


def cheaper_bits(cost: Cost, top: Bits, candidates: Mapping[str, Sequence[int]]) -> dict[Item, list[int]]:
    """For each item the bits, falling, that cost less than all higher ones while the rest stays at `top`."""
    found = {}
    for item, most in top.items():
        least, kept = cost.of(top), []
        for b in sorted((b for b in candidates[item.kind] if b < most), reverse=True):
            price = cost.of({**top, item: b}) if _priced(cost, item) else least
            if price < least:
                least = price
                kept.append(b)
        if kept:
            found[item] = kept
    return found


def _priced(cost: Cost, item: Item) -> bool:
    return not isinstance(cost, Additive) or item in cost.table
