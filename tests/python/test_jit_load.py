"""torch.utils.cpp_extension.load builds the same sources and registers working operators."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from op_samples import float32, floats, int32, op, weights

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from pathlib import Path
import torch
from torch.utils import cpp_extension

root, folder, answer = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
sources = []
for path in sorted((root / "csrc").rglob("*.cpp")):
    # The executable is CMake's; module*.cpp is the Python module, which load() does without here.
    if "replay" in path.parts or path.name.startswith("module"):
        continue
    # load() names objects by the last part of a path, and an operator has the same name on every floor.
    source = folder / "_".join(path.relative_to(root / "csrc").parts)
    text = f'#include "{path}"\\n'
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    sources.append(str(source))
cpp_extension.load(
    name="icepoint_jit",
    sources=sources,
    extra_include_paths=[str(root / "csrc")],
    extra_cflags=["-std=c++20", "-O0", "-ffp-contract=off", "-DTORCH_TARGET_VERSION=0x020b000000000000"],
    extra_ldflags=["-lcrypto"],
    build_directory=str(folder),
    is_python_module=False,
)
op = torch.ops.icepoint
inputs = torch.load(answer)
q = op.quantize(*inputs["quantize"], 0, 255)
acc = op.conv2d_int32(q, 128, *inputs["conv"], None, [1, 1], [1, 1, 1, 1], [1, 1], 1)
try:
    op.lookup(q, torch.zeros(255, dtype=torch.uint8))
except ValueError as error:
    assert "lookup.table" in str(error)
else:
    raise SystemExit("an illegal table was accepted")
assert "icepoint" not in sys.modules
torch.save([q, acc], answer)
"""


@pytest.fixture
def build_folder(request, tmp_path) -> Path:
    """Kept between runs by pytest's cache, so that the second run compiles nothing."""
    if not hasattr(request.config, "cache"):
        return tmp_path
    return request.config.cache.mkdir("icepoint_jit")


def test_jit_load(build_folder, tmp_path):
    quantize = (floats(2, 3, 5, 6), float32(0.05), int32(128))
    conv = (weights(4, 3, 3, 3), int32(0))
    answer = tmp_path / "answer.pt"
    torch.save({"quantize": quantize, "conv": conv}, answer)
    lock = build_folder / "lock"  # left by a run that was killed: load() would wait for it for ever
    lock.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT), str(build_folder), str(answer)],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "MAX_JOBS": str(os.cpu_count())},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    q, acc = torch.load(answer)
    assert torch.equal(q, op.quantize(*quantize, 0, 255))
    assert torch.equal(acc, op.conv2d_int32(q, 128, *conv, None, [1, 1], [1, 1, 1, 1], [1, 1], 1))
