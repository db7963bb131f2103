"""Whether every way of running a frozen file gives the same bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

import icepoint
from icepoint import _C

from .subjects import tensor_of


def differing_bytes(
    quantized: icepoint.QuantizedModel,
    frozen: icepoint.FrozenModel,
    path: Path,
    x: torch.Tensor,
    executable: str,
) -> dict[str, Any]:
    """`differing_bytes` of all comparisons together, `differing` names those that differ, `compared` all.

    The frozen model against the quantized one (float32 answers); its codes against those of every
    instruction set of this machine, in Python and in the executable, which quantizes the input itself.
    """
    with torch.inference_mode():
        pairs = {"quantized": (tensor_of(frozen(x)).numpy(), tensor_of(quantized(x)).contiguous().numpy())}
    codes = tensor_of(frozen.codes(x)).numpy()
    told = frozen.describe()["inputs"][0]
    inputs = icepoint.quantize_tensor(x, told["scale"], told["zero_point"], num_bits=told["bits"])
    for isa in icepoint.isas():
        (found,) = _C.Model(frozen.file_bytes, isa).run_codes([inputs.to(torch.uint8).numpy()])
        pairs[f"python {isa}"] = (codes, found)
        pairs[f"executable {isa}"] = (codes, _executable_codes(executable, path, x, isa))
    counts = {name: _differ(a, b) for name, (a, b) in pairs.items()}
    return {
        "compared": list(counts),
        "differing": [name for name, count in counts.items() if count],
        "differing_bytes": sum(counts.values()),
    }


def _executable_codes(executable: str, path: Path, x: torch.Tensor, isa: str) -> np.ndarray:
    photos, codes = path.with_suffix(".photos.npy"), path.with_suffix(".codes.npy")
    np.save(photos, x.numpy())
    command = [executable, "run", path, photos, "--isa", isa, "--threads", "1", "--raw", codes]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return np.load(codes)


def _differ(a: np.ndarray, b: np.ndarray) -> int:
    """How many bytes differ; all of them where the shapes do."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return max(a.nbytes, b.nbytes)
    return int((a.view(np.uint8) != b.view(np.uint8)).sum())
