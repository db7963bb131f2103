"""A verdict: a layer, its cause, what it says, the remedy, and what the remedy was measured to gain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .outputs import decibels

PROBLEM, COST, NOTE = "problem", "cost", "note"
NOTES = "Notes"  # the heading of the last kind

_HELPS_DB = 0.5  # what a remedy must gain to be named
_TOLD = 3


@dataclass(frozen=True)
class Gain:
    """A remedy that was tried: the outputs' SQNR in dB, and answers changed, without it and with it."""

    change: str
    before_db: float | None
    after_db: float | None
    changed_before: int
    changed_after: int
    answers: int

    @property
    def db(self) -> float:
        """What it gains; an output without any error counts as 200 dB."""
        return (200.0 if self.after_db is None else self.after_db) - (
            200.0 if self.before_db is None else self.before_db
        )

    def __str__(self) -> str:
        answers = f", answers changed {self.changed_before} -> {self.changed_after} of {self.answers:,}"
        return f"{self.change}: {decibels(self.before_db)} -> {decibels(self.after_db)}" + (
            answers if self.answers else ""
        )


@dataclass(frozen=True)
class Verdict:
    """What a layer suffers from. `cause` is one word of docs/report.md.

    `severity`: "problem", "cost" or "note".
    `tries`: changes of quantize's options that could help, by their names for people; `gains` are those that
    were measured, the best one first.
    """

    layer: str
    cause: str
    severity: str
    says: str
    remedy: str
    tries: dict[str, dict[str, Any]] = field(default_factory=dict)
    gains: tuple[Gain, ...] = ()

    def __str__(self) -> str:
        helped = [gain for gain in self.gains if gain.db >= _HELPS_DB]
        if helped:
            told = f"Measured: {'; '.join(map(str, helped[:_TOLD]))}."
        elif self.gains:
            told = f"Tried without gain: {', '.join(gain.change for gain in self.gains)}."
        else:
            told = ""
        return " ".join(
            part for part in (f"{self.layer}: {self.says}.", self.remedy and f"{self.remedy}.", told) if part
        )
