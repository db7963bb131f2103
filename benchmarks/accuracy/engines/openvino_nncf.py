"""OpenVINO: NNCF's post-training quantization with its fast or its accurate bias correction, compiled."""

from collections.abc import Mapping
from dataclasses import replace

import nncf
import numpy as np
import openvino

from ...engines.openvino_float import compile_model
from ...job import Job
from ..settings import Bits
from . import Answer


def quantized(job: Job, bits: Bits, options: Mapping[str, str]) -> Answer:
    images = replace(job, batch=1).calibration_batches()  # it takes means over batches, so one image each
    # Core.read_model would leave the shape of each bias a computation of the open batch: NNCF then finds no
    # bias to correct, and says nothing. convert_model folds it to a constant.
    model = nncf.quantize(
        openvino.convert_model(job.path("float.onnx")),
        nncf.Dataset(images),
        subset_size=len(images),
        fast_bias_correction=options["correction"] == "fast",
    )
    compiled = compile_model(model, job.threads)

    def answer(x: np.ndarray) -> np.ndarray:
        return compiled(x)[0]

    return answer
