"""OpenVINO in 8 bits through NNCF's post-training quantization."""

import nncf
import openvino

from ..job import Job
from . import Ready
from .openvino_float import compiled


def prepare(job: Job) -> None:
    batches = job.calibration_batches()
    dataset = nncf.Dataset(batches)
    model = nncf.quantize(
        openvino.Core().read_model(job.path("float.onnx")), dataset, subset_size=len(batches)
    )
    openvino.save_model(model, job.own(".xml"), compress_to_fp16=False)


def load(job: Job) -> Ready:
    return compiled(job.own(".xml"), job, {})
