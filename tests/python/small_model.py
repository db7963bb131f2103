"""Small frozen models for the executable's tests, and the executable itself."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

from icepoint import _C
from oracle_numbers import rng

MAX_MEMORY = 700 << 20  # bytes; LibTorch alone takes half of it
ROOT = Path(__file__).resolve().parents[2]
SEED = 20


def binary() -> Path:
    """The executable under test; fails, and says how to build it, where there is none."""
    path = Path(os.environ.get("ICEPOINT_BINARY", ROOT / "build" / "icepoint"))
    assert path.is_file(), f"{path} does not exist: run `make build`, or set ICEPOINT_BINARY"
    return path


def run(*arguments, ok: bool = True, timeout: float = 60) -> str:
    """stdout of `icepoint ARGUMENTS`, with an empty environment: neither PATH nor Python's variables.

    A failure has to be exit code 1 with exactly one line on stderr and no control character in it; that
    line is returned then.
    """
    done = subprocess.run([binary(), *map(str, arguments)], env={}, capture_output=True, timeout=timeout)
    out, err = done.stdout.decode(), done.stderr.decode()
    if ok:
        assert (done.returncode, err) == (0, ""), (arguments, done.returncode, err)
        return out
    assert done.returncode == 1, (arguments, done.returncode, err)
    assert err.startswith("icepoint: ") and err.endswith("\n"), err
    line = err[:-1]
    assert line.isprintable(), ascii(err)
    return line


def run_json(*arguments) -> dict:
    return json.loads(run(*arguments, "--json"))


def recipe(channels: int, height: int, width: int, classes: list[str] | None = None) -> dict:
    mean, std = [0.1307, 0.485, 0.25][:channels], [0.3081, 0.229, 0.5][:channels]
    found = {"channels": channels, "height": height, "width": width, "divide": 255}
    found |= {"mean": np.float32(mean).tolist(), "std": np.float32(std).tolist()}
    return found | ({"classes": classes} if classes else {})


def digits(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def encode(
    channels: int = 1, height: int = 8, width: int = 8, *, pictures=True, classes=None, outputs=10,
    function: dict | None = None, resize: dict | None = None,
) -> bytes:  # fmt: skip
    """A convolution with ReLU, a pool, a linear layer; its answers spread over all classes."""
    random = rng(SEED)
    features = 4 * (height // 2) * (width // 2)
    x = {"scale": float(np.float32(0.02)), "zero_point": 33, "bits": 8}
    y = {"scale": float(np.float32(0.1)), "zero_point": 128, "bits": 8}
    window = {"stride": [1, 1], "dilation": [1, 1], "padding": [1, 1, 1, 1], "kernel_size": [3, 3]}
    weights = {"weight_bits": 8, "weight_affine": False, "hi": 255}
    graph = {
        "arithmetic": 1,
        "inputs": [{"name": "x", "shape": [channels, height, width], **x}],
        "ops": [
            {"op": "qconv2d", "name": "conv", "inputs": [0], "out_channels": 4, "groups": 1, "lo": 128}
            | {**window, **weights, **y},
            {"op": "qmax_pool2d", "name": "pool", "inputs": [1], "kernel_size": [2, 2], "stride": [2, 2]}
            | {"padding": [0, 0, 0, 0], "dilation": [1, 1], "ceil_mode": False},
            {"op": "reshape", "name": "flatten", "inputs": [2], "shape": [features]},
            {"op": "qlinear", "name": "fc", "inputs": [3], "out_features": outputs, "lo": 0} | weights | y,
        ],
        "outputs": [4],
    }
    tensors = {}
    for name, shape, M in (("conv", (4, channels, 3, 3), 0.004), ("fc", (outputs, features), 0.01)):
        multiplier, shift = _C.quantize_multiplier(M)
        tensors |= {
            f"{name}.weight": random.integers(-127, 128, shape).astype(np.int8),
            f"{name}.weight_scale": np.full(1, 0.01, np.float32),
            f"{name}.bias": random.integers(-1000, 1000, shape[0]).astype(np.int32),
            f"{name}.multiplier": np.full(1, multiplier, np.int32),
            f"{name}.shift": np.full(1, shift, np.int32),
        }
    check = random.integers(0, 256, (3, channels, height, width)).astype(np.uint8)
    recipe_json = recipe(channels, height, width, classes) if pictures else {}
    recipe_json |= {"resize": resize} if resize else {}
    texts = json.dumps(graph), json.dumps(recipe_json), json.dumps([function]) if function else ""
    return _C.encode(texts[0], tensors, texts[1], {"test": "small_model.py"}, [check], texts[2])


def codes_of(model: bytes, pixels: np.ndarray) -> np.ndarray:
    """Output codes that Python gives for uint8 pixels (n, h, w, c) or (h, w, c), quantized by NumPy."""
    from icepoint import FrozenModel

    frozen = FrozenModel(model)
    x = frozen.describe()["inputs"][0]
    reals = frozen.recipe(pixels).numpy() / np.float32(x["scale"])
    codes = np.clip(np.rint(reals).astype(np.float64) + x["zero_point"], 0, (1 << x["bits"]) - 1)
    return _C.Model(model).run_codes([codes.astype(np.uint8)])[0]


def sha256(codes: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(codes).tobytes()).hexdigest()


def idx_file(array: np.ndarray) -> bytes:
    """The array as an IDX file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def npy_file(header: str | None = None, payload: bytes = bytes(64), version: int = 1, **fields) -> bytes:
    """A .npy file of the given header, or of an (8, 8) uint8 array with some fields of it changed."""
    found = {"descr": "'|u1'", "fortran_order": "False", "shape": "(8, 8)"} | fields
    header = header or "{" + "".join(f"'{k}': {v}, " for k, v in found.items()) + "}\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("latin1") + payload


# Runs a command and writes its exit code and peak memory in KiB to a file descriptor. A process of its own:
# Linux counts what the parent held at the fork as the child's, and from here that would be pytest's memory.
MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
os.write(int(sys.argv[1]), f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}".encode())
"""


def refuse(model, path, words: str) -> None:
    """One line that names the file and holds `words`, exit code 1, within MAX_MEMORY."""
    read, write = os.pipe()
    command = [sys.executable, "-I", "-S", "-c", MEASURE, str(write), binary(), "run", model, path]
    done = subprocess.run(command, env={}, capture_output=True, pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as report:
        code, peak_kib = map(int, report.read().split())
    out, err = done.stdout, done.stderr.decode()
    assert (code, out) == (1, b""), (path, code, err)
    assert err.count("\n") == 1 and err[:-1].isprintable(), err
    assert os.path.basename(path) in err and words in err, err
    assert peak_kib * 1024 < MAX_MEMORY, (path, peak_kib)
