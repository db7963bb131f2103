"""setup.py and pyproject.toml: what they say where torch is missing, and what they never ask for."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_without_torch_it_says_which_command_to_run():
    script = (
        "import runpy, sys; sys.modules['torch'] = None; sys.argv = ['setup.py', '--version'];"
        f"runpy.run_path({str(ROOT / 'setup.py')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.returncode == 1
    assert "pip install torch" in done.stderr and "pip install --no-build-isolation -e ." in done.stderr
    assert "Traceback" not in done.stderr


def test_torch_is_no_build_requirement():
    """An isolated build would fetch another torch than the one that runs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert not any("torch" in requirement for requirement in project["build-system"]["requires"])
    assert "torch>=2.11" in project["project"]["dependencies"]
