"""How many bits the weights of each layer get: one number, or patterns of layer names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from .codes import check_num_bits


class WeightBits:
    """`weight_bits` of icepoint.quantize: None, an int for all layers, or {pattern: int}.

    A pattern is the name that report() shows, with * ? [..] as in a shell ("classifier.*"; the * takes
    dots too). Of several that match, the last one counts; a layer that none matches has `num_bits`.
    ValueError for a number outside 2..8 and, once all layers are known, for a pattern without a layer.

    >>> WeightBits({"*": 8, "classifier.*": 4}, 8).of("classifier.0")
    4
    """

    def __init__(self, given: int | Mapping[str, int] | None, num_bits: int):
        self.default = num_bits
        if isinstance(given, Mapping):
            self.patterns = dict(given)
        else:
            self.patterns = {}
            self.default = num_bits if given is None else check_num_bits(given, "quantize.weight_bits")
        for pattern, bits in self.patterns.items():
            if not isinstance(pattern, str):
                raise ValueError(f"quantize.weight_bits: expected patterns of layer names, found {pattern!r}")
            check_num_bits(bits, f"quantize.weight_bits[{pattern!r}]")
        self.names: list[str] = []

    def of(self, name: str) -> int:
        """The bits of the layer called `name`."""
        self.names.append(name)
        matching = [bits for pattern, bits in self.patterns.items() if fnmatchcase(name, pattern)]
        return int(matching[-1]) if matching else self.default

    def check_used(self) -> None:
        """ValueError with the layers' names where a pattern matched none of those that were asked for."""
        check_patterns(self.patterns, self.names, "quantize.weight_bits")


def check_patterns(patterns: Iterable[str], names: Iterable[str], who: str) -> None:
    """ValueError for a pattern that matches none of the layers' `names`, with all of these."""
    names = list(dict.fromkeys(names))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(
                f"{who}: {pattern!r} matches no layer with weights; expected a pattern of {', '.join(names)}"
            )
