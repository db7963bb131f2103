"""ONNX Runtime's static 8-bit quantization of the same network on the same photos, as in `make bench`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from ..engines import onnxruntime_int8
from ..job import Job
from .families import BATCH

_NAME = "onnxruntime_int8"


def answers(
    model: nn.Module, name: str, calibration: torch.Tensor, photos: torch.Tensor, folder: Path
) -> np.ndarray:
    """float32 answers (n, ...) of the quantized network: QDQ, uint8 by int8 per channel, min-max."""
    job = Job(_NAME, name, BATCH, 1, str(folder))
    np.save(job.path("calibration.npy"), calibration.numpy())
    _export(model, photos[:2], job.path("float.onnx"))
    onnxruntime_int8.prepare(job)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(job.own(".onnx")), options, ["CPUExecutionProvider"])
    return np.concatenate([session.run(["y"], {"x": x.numpy()})[0] for x in photos.split(BATCH)])


def _export(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the older one: the newer needs onnxscript
        torch.onnx.export(
            model,
            (x,),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}},
            opset_version=17,
        )
