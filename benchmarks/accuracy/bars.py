"""What icepoint has to reach beside its peers, computed from the cells. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .settings import BEST, BITS, DEFAULT, ENGINES

#: (subject, bits) to engine to what was measured
Results = Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]]
_SLACK = 3  # images that the default may change beyond the best peer


@dataclass(frozen=True)
class Bar:
    """A sentence, whether it holds (None: not measured), and the numbers behind."""

    text: str
    holds: bool | None
    numbers: str

    def __str__(self) -> str:
        word = {True: "PASS", False: "FAIL", None: "NOT MEASURED"}[self.holds]
        return f"{word}: {self.text} ({self.numbers})"


def bars(results: Results) -> list[Bar]:
    return [_half(results), _nowhere(results), _low_bits(results)]


def best_peer(engines: Mapping[str, Mapping[str, Any]]) -> tuple[str, int] | None:
    """The peer that changes the fewest answers, and how many; None where no peer was measured."""
    ran = {
        name: cell["changed"] for name, cell in engines.items() if ENGINES[name].is_peer and "changed" in cell
    }
    return min(ran.items(), key=lambda item: item[1], default=None)


def _half(results: Results) -> Bar:
    text = (
        "on the MobileNet at 8 bits the default changes at most half the answers that the best peer changes"
    )
    for _, ours, peer, theirs in _compared(results, DEFAULT, ("8",), "mobilenet"):
        return Bar(text, 2 * ours <= theirs, f"{ours}; {ENGINES[peer].title} {theirs}")
    return Bar(text, None, "no cell")


def _nowhere(results: Results) -> Bar:
    text = f"nowhere does the default change more answers than the best peer and {_SLACK} images"
    return _everywhere(results, text, DEFAULT, tuple(BITS), lambda ours, theirs: ours <= theirs + _SLACK)


def _low_bits(results: Results) -> Bar:
    text = "at 4 bits max changes fewer answers than every peer"
    return _everywhere(results, text, BEST, ("4",), lambda ours, theirs: ours < theirs)


def _everywhere(results: Results, text: str, engine: str, bits: tuple[str, ...], good) -> Bar:
    compared = list(_compared(results, engine, bits))
    broken = [
        f"{where}: {ours}, {ENGINES[peer].title} {theirs}"
        for where, ours, peer, theirs in compared
        if not good(ours, theirs)
    ]
    if not compared:
        return Bar(text, None, "no cell")
    return Bar(text, not broken, "; ".join(broken) or f"{len(compared)} comparisons")


def _compared(
    results: Results, engine: str, bits: tuple[str, ...], subject: str | None = None
) -> Iterator[tuple[str, int, str, int]]:
    """Where, answers that `engine` changes, the best peer, and the answers that it changes."""
    for (name, setting), engines in results.items():
        peer = best_peer(engines)
        if setting in bits and subject in (None, name) and peer and "changed" in engines.get(engine, {}):
            yield f"{name} at {setting}", engines[engine]["changed"], *peer
