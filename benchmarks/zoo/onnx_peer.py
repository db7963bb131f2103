"""ONNX Runtime's static 8-bit quantization of the same network on the same photos, as in `make bench`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..engines import onnxruntime_float, onnxruntime_int8
from ..job import Job
from ..onnx_file import export
from .families import BATCH

_NAME = "onnxruntime_int8"


def answers(
    model: nn.Module, name: str, calibration: torch.Tensor, photos: torch.Tensor, folder: Path
) -> np.ndarray:
    """float32 answers (n, ...) of the quantized network: QDQ, uint8 by int8 per channel, min-max."""
    job = Job(_NAME, name, BATCH, 1, str(folder))
    np.save(job.path("calibration.npy"), calibration.numpy())
    export(model, photos[:2], job.path("float.onnx"))
    onnxruntime_int8.prepare(job)
    session = onnxruntime_float.open_session(job.own(".onnx"), threads=1)
    return np.concatenate([session.run(["y"], {"x": x.numpy()})[0] for x in photos.split(BATCH)])
