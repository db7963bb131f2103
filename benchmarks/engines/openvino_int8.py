"""OpenVINO in 8 bits through NNCF's post-training quantization."""

import nncf
import openvino

from ..job import Job
from . import Ready
from .openvino_float import compiled


def prepare(job: Job) -> None:
    batches = job.calibration_batches()
    # Core.read_model would hide each bias behind a computation of the open batch: NNCF would correct none.
    model = openvino.convert_model(job.path("float.onnx"))
    model = nncf.quantize(model, nncf.Dataset(batches), subset_size=len(batches))
    openvino.save_model(model, job.own(".xml"), compress_to_fp16=False)


def load(job: Job) -> Ready:
    return compiled(job.own(".xml"), job, {})
