"""Writes once what all engines of a subject share: images, float network in three forms, float answers.

`python -m benchmarks.accuracy.prepare SUBJECT FOLDER WEIGHTS`, WEIGHTS the folder of the trained networks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..job import Job
from ..onnx_file import export
from .settings import BATCH
from .subjects import SUBJECTS


def prepare(name: str, folder: Path, weights: Path) -> None:
    """calibration, evaluation, labels and expected as .npy; float.pt2, float.onnx; facts.json."""
    subject = SUBJECTS[name]
    model = subject.network(weights).requires_grad_(False).eval()
    images = subject.images()
    calibration, evaluation = images.inputs()
    job = Job("networks", name, BATCH, 1, str(folder))
    np.save(job.path("calibration.npy"), calibration.numpy())
    np.save(job.path("evaluation.npy"), evaluation.numpy())
    np.save(job.path("labels.npy"), images.labels)
    with torch.inference_mode():
        np.save(job.path("expected.npy"), np.concatenate([model(x).numpy() for x in evaluation.split(BATCH)]))
    example = calibration[:2]
    weighted = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    job.path("facts.json").write_text(json.dumps({"first": weighted[0], "last": weighted[-1]}))
    shapes = ({0: torch.export.Dim("n", min=1, max=1024)},)
    torch.export.save(torch.export.export(model, (example,), dynamic_shapes=shapes), job.path("float.pt2"))
    export(model, example, job.path("float.onnx"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    prepare(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
