"""How far the outputs of two networks lie apart: SQNR, and how many answers changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .sums import sqnr_db

Tensor = torch.Tensor

_NEAR_DB = 30.0  # an error of a thousandth of the signal's energy


@dataclass
class Outputs:
    """Sums over the images seen so far: energies, answers that changed, how many there were.

    An answer is the greatest of output 0 along axis 1: one an image of a classifier, one a pixel of a map.
    """

    signal: float = 0.0
    noise: float = 0.0
    answers: int = 0
    changed: int = 0
    images: int = 0

    def add(self, floats: Sequence[Tensor], others: Sequence[Tensor]) -> None:
        """Outputs in front of what ends the network, such as a softmax."""
        for y, other in zip(floats, others, strict=True):
            for a, b in zip(y, other, strict=True):  # an image's doubles at a time
                a, error = a.flatten().double(), (b - a).flatten().double()
                self.signal += float(a.dot(a))
                self.noise += float(error.dot(error))
        self.images += len(floats[0])
        y, other = floats[0], others[0]
        if y.dim() >= 2 and y.shape[1] > 1:
            answers = y.argmax(1)
            self.answers += answers.numel()
            self.changed += int((answers != other.argmax(1)).sum())

    @property
    def sqnr_db(self) -> float | None:
        """10 log10 of the first outputs' energy over that of the difference; None where there is none."""
        return sqnr_db(self.signal, self.noise)

    @property
    def is_near(self) -> bool:
        """Whether no answer changed and the error is so small that no remedy is worth its time."""
        return not self.changed and (self.sqnr_db is None or self.sqnr_db >= _NEAR_DB)

    def to_dict(self) -> dict[str, float | int | None]:
        """sqnr_db, answers, answers_changed, images."""
        return {
            "sqnr_db": self.sqnr_db,
            "answers": self.answers,
            "answers_changed": self.changed,
            "images": self.images,
        }

    def __str__(self) -> str:
        found = sqnr_text(self.sqnr_db)
        return f"{found}, {self.changed} of {self.answers:,} answers changed" if self.answers else found


def sqnr_text(value: float | None) -> str:
    """ "12.3 dB of SQNR", or "no error"."""
    return decibels(value) + ("" if value is None else " of SQNR")


def decibels(value: float | None) -> str:
    """For people.

    >>> decibels(12.345), decibels(None)
    ('12.3 dB', 'no error')
    """
    return "no error" if value is None else f"{value:.1f} dB"


def percent(share: float | None) -> str:
    """For people, never "0.0 %" of what there is.

    >>> percent(0.1234), percent(0.00002)
    ('12.3 %', '0.002 %')
    """
    value = 100.0 * (share or 0.0)
    return f"{value:.1f} %" if value >= 0.1 else f"{value:.1g} %"
