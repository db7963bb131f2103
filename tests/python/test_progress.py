"""The progress bar: on a terminal after one second, nowhere else, and gone when the work is done."""

import os
import pty
import subprocess
import sys

_WORK = """
import sys, time
from icepoint.progress import progress_bar

with progress_bar("calibrating", None if sys.argv[1] == "unknown" else 4) as advance:
    for i in range(4):
        time.sleep(float(sys.argv[2]))
        advance(1, f"batch {i + 1}")
"""


def _on_a_terminal(*arguments):
    """What the work writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-c", _WORK, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as work:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux says so where the other end was closed
                break
            if not part:
                break
            written += part
        assert work.stdout.read() == b""
    os.close(ours)
    assert work.returncode == 0
    return written.decode()


def test_a_bar_after_a_second():
    for total in ("known", "unknown"):
        written = _on_a_terminal(total, "0.4")
        assert "calibrating" in written and "batch 3" in written
        assert "batch 1" not in written  # half a second had gone by


def test_nothing_in_the_first_second_and_where_nobody_looks():
    assert _on_a_terminal("known", "0.01") == ""
    done = subprocess.run([sys.executable, "-c", _WORK, "known", "0.4"], capture_output=True, check=True)
    assert done.stdout == done.stderr == b""
