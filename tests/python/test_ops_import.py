"""Loading the operators twice, without Python's module, and against torch's stable ABI only."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from icepoint import _C

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(_C.__file__)

AGAIN = """
def again():
    spec = importlib.util.spec_from_file_location("_C", {copy!r})
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""


def python(script: str, **variables: str) -> subprocess.CompletedProcess:
    """Runs a script in a process of its own; an abort would show as a negative return code."""
    script = "import importlib, importlib.util, sys\nimport torch\n" + (AGAIN + script).format(**variables)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> str:
    return str(shutil.copy(LIBRARY, tmp_path_factory.mktemp("copy") / LIBRARY.name))


@pytest.mark.parametrize("first", ["import icepoint", "torch.ops.load_library({copy!r})"])
def test_a_second_copy_is_an_import_error(copy, first):
    """The first copy keeps working."""
    script = f"""
{first}
try:
    again()
except ImportError as error:
    assert "already registered in this process" in str(error), error
else:
    raise SystemExit("the second copy was accepted")
assert torch.ops.icepoint.lookup(torch.tensor([3], dtype=torch.uint8), torch.arange(256).byte()).item() == 3
"""
    if first.startswith("torch"):
        script = script.replace("again()", "import icepoint")
    done = python(script, copy=copy)
    assert done.returncode == 0, done.stderr


def test_a_notebook_that_forgets_and_imports_again(copy):
    done = python(
        """
import icepoint
for name in [n for n in sys.modules if n.partition(".")[0] == "icepoint"]:
    del sys.modules[name]
try:
    import icepoint
except ImportError as error:
    assert "Restart Python" in str(error), error
else:
    raise SystemExit("the second import was accepted")
try:
    import icepoint._C
except ImportError as error:
    assert "Restart Python" in str(error), error
""",
        copy=copy,
    )
    assert done.returncode == 0, done.stderr


def test_reload_is_harmless(copy):
    done = python(
        "import icepoint.ops\nimportlib.reload(icepoint.ops)\nassert torch.ops.icepoint.run", copy=copy
    )
    assert done.returncode == 0, done.stderr


def test_the_library_without_the_python_module(copy):
    """CMake's libicepoint_ops.so registers the same operators when it is only loaded."""
    library = ROOT / "build" / "libicepoint_ops.so"
    if not library.exists():
        pytest.skip("build/libicepoint_ops.so is not built: run `make build`")
    done = python(
        """
torch.ops.load_library({library!r})
x = torch.tensor([1.0, float("nan")])
q = torch.ops.icepoint.quantize(x, torch.tensor(0.5), torch.tensor(3, dtype=torch.int32), 0, 255, None)
assert q.tolist() == [5, 3]
assert "icepoint" not in sys.modules
""",
        copy=copy,
        library=str(library),
    )
    assert done.returncode == 0, done.stderr


def test_only_torchs_stable_abi_is_used():
    """No C++ symbol of torch, and neither libtorch_python: one build serves later versions of torch."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm (binutils) is not installed")
    symbols = subprocess.run(
        [nm, "-D", "--undefined-only", str(LIBRARY)], capture_output=True, text=True, check=True
    )
    wanted = [line.split()[-1] for line in symbols.stdout.splitlines()]
    assert [s for s in wanted if s.startswith("_ZN") and ("c102" in s or "2at" in s or "5torch" in s)] == []
    assert any(s.startswith("aoti_torch_") for s in wanted)
    needed = subprocess.run(["ldd", str(LIBRARY)], capture_output=True, text=True, check=False).stdout
    assert "libtorch_python" not in needed
