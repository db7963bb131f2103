"""How many bits the weights or the results of each layer get: one number, or patterns of layer names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from .codes import check_num_bits


class LayerBits:
    """`weight_bits` and `activation_bits` of icepoint.quantize: None, an int for all, or {pattern: int}.

    A pattern is the name that report() shows, with * ? [..] as in a shell ("classifier.*"; the * takes
    dots too). Of several that match, the last one counts; a layer that none matches has `num_bits`.
    `who` names the argument in errors: ValueError for a number outside 2..8 and, once all layers are known,
    for a pattern without a layer.

    >>> LayerBits({"*": 8, "classifier.*": 4}, 8).of("classifier.0")
    4
    """

    def __init__(
        self,
        given: int | Mapping[str, int] | None,
        num_bits: int,
        who: str = "quantize.weight_bits",
        what: str = "layer with weights",
    ):
        self.default, self.who, self.what = num_bits, who, what
        if isinstance(given, Mapping):
            self.patterns = dict(given)
        else:
            self.patterns = {}
            self.default = num_bits if given is None else check_num_bits(given, who)
        for pattern, bits in self.patterns.items():
            if not isinstance(pattern, str):
                raise ValueError(f"{who}: expected patterns of layer names, found {pattern!r}")
            check_num_bits(bits, f"{who}[{pattern!r}]")
        self.names: list[str] = []

    def of(self, name: str) -> int:
        """The bits of the layer called `name`."""
        self.names.append(name)
        matching = [bits for pattern, bits in self.patterns.items() if fnmatchcase(name, pattern)]
        return int(matching[-1]) if matching else self.default

    def check_used(self) -> None:
        """ValueError with the layers' names where a pattern matched none of those that were asked for."""
        check_patterns(self.patterns, self.names, self.who, self.what)


def check_patterns(
    patterns: Iterable[str], names: Iterable[str], who: str, what: str = "layer with weights"
) -> None:
    """ValueError for a pattern that matches none of the layers' `names`, with all of these."""
    names = list(dict.fromkeys(names))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(
                f"{who}: {pattern!r} matches no {what}; expected a pattern of {', '.join(names)}"
            )
