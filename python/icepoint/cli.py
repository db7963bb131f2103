"""The command line, `python -m icepoint`: finds the command, and says in one line what went wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .commands import bench, compare, evaluate, export, inspect, quantize, report, search, train
from .commands.arguments import Commands
from .exit_code import exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, or 1 with one line on stderr.

    Example:
        >>> main(["verify", "net.ice"])  # doctest: +ELLIPSIS
        net.ice: the self-check passed on ...
        0
    """
    args = _parser().parse_args(argv)
    return exit_code(f"icepoint {args.command}", lambda: args.run(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m icepoint",
        description="Turns a trained PyTorch network into integers and replays it.",
    )
    add = Commands(parser.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    for command in (train, quantize, search, report, compare, evaluate, bench, inspect, export):
        command.add_to(add)
    return parser
