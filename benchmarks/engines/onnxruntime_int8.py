"""ONNX Runtime in 8 bits: static QDQ, uint8 activations, int8 weights per channel, min-max unless told."""

import logging

from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from ..job import Job
from . import Ready
from .onnxruntime_float import session


class _Batches(CalibrationDataReader):
    def __init__(self, job: Job):
        self._rest = iter(job.calibration_batches())

    def get_next(self):
        batch = next(self._rest, None)
        return None if batch is None else {"x": batch}


def prepare(
    job: Job,
    method: CalibrationMethod = CalibrationMethod.MinMax,
    weights: QuantType = QuantType.QInt8,
) -> None:
    """Writes the job's own .onnx file."""
    logging.disable(logging.WARNING)
    ready = job.own(".float.onnx")
    quant_pre_process(str(job.path("float.onnx")), str(ready))
    quantize_static(
        str(ready),
        str(job.own(".onnx")),
        _Batches(job),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=weights,
        calibrate_method=method,
    )
    ready.unlink()


def load(job: Job) -> Ready:
    return session(job.own(".onnx"), job)
