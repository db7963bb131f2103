"""What the commands share: how one is added to the parser, and kinds of arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

Arguments = argparse.Namespace


class Commands:
    """Adds a command with what all have: one sentence, an example and --json."""

    def __init__(self, commands: Any):
        self._commands = commands

    def __call__(
        self, name: str, run: Callable[[Arguments], int], what: str, example: str
    ) -> argparse.ArgumentParser:
        parser = self._commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example: python -m icepoint {name} {example}",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
        parser.set_defaults(run=run)
        return parser


def positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 3600 seconds")
    return value
