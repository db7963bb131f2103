"""The command line, `python -m icepoint`: finds the command, and says in one line what went wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .commands import bench, evaluate, inspect, quantize, train
from .commands.arguments import Commands


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, or 1 with one line on stderr.

    Example:
        >>> main(["verify", "net.ice"])  # doctest: +ELLIPSIS
        net.ice: the self-check passed on ...
        0
    """
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"icepoint {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m icepoint",
        description="Turns a trained PyTorch network into integers and replays it.",
    )
    add = Commands(parser.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    for command in (train, quantize, evaluate, bench, inspect):
        command.add_to(add)
    return parser
