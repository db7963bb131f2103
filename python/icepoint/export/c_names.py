"""Names of layers as C identifiers that never meet, and as text that no comment can end in."""

from __future__ import annotations

import re
from collections.abc import Iterable


def identifier(name: str) -> str:
    """ASCII letters, digits and underscores, no digit in front.

    >>> identifier("features.0/größe"), identifier("3x3")
    ('features_0_gr__e', '_3x3')
    """
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain


def in_comment(text: object) -> str:
    """`text` without what ends or begins a comment, joins lines or is no ASCII; such characters become "?".

    >>> in_comment('conv*/ int main()')
    'conv?? int main()'
    """
    return re.sub(r"[^A-Za-z0-9 _.,:;()\[\]=+<>-]", "?", str(text))


class Identifiers:
    """Gives each owner a stem such that stem_field is new for each of its fields.

    >>> names = Identifiers("net")
    >>> names.stem("a", ["weight_scale"]), names.stem("a_weight", ["scale", "bits"])
    ('net_a', 'net_a_weight_2')
    """

    def __init__(self, prefix: str):
        self.prefix = prefix
        self._taken: set[str] = set()

    def stem(self, name: str, fields: Iterable[str]) -> str:
        fields, base, count = list(fields), f"{self.prefix}_{identifier(name)}", 1
        stem = base
        while any(f"{stem}_{field}" in self._taken for field in fields):
            count += 1
            stem = f"{base}_{count}"
        self._taken.update(f"{stem}_{field}" for field in fields)
        return stem
