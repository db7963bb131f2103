"""What every program of the package ends with: an exit code, and one line on stderr where it failed."""

from __future__ import annotations

import sys
from collections.abc import Callable


def exit_code(who: str, run: Callable[[], int | None]) -> int:
    """What `run` returns, 0 for None; 1 for a ValueError, OSError or RuntimeError, told as "who: why".

    >>> exit_code("icepoint verify", lambda: None)
    0
    """
    try:
        return run() or 0
    except (ValueError, OSError, RuntimeError) as error:
        print(f"{who}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
