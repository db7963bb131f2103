"""What a measurement is about - network, batch, threads, prepared files - as all processes see it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

CALIBRATION_IMAGES = 64  # every engine that calibrates sees these, in batches of the job's size


@dataclass(frozen=True)
class Job:
    """One network at one batch size on so many threads, for one engine.

    The folder holds what all engines of this network and batch share: `float.onnx`, `float.pt2`,
    `calibration.npy` (CALIBRATION_IMAGES, c, h, w), `input.npy` (batch, c, h, w) and `expected.npy`,
    the float network's answers to it; and each engine's own files, whose names begin with its name.
    """

    engine: str
    network: str
    batch: int
    threads: int
    folder: str

    def path(self, name: str) -> Path:
        return Path(self.folder) / name

    def own(self, ending: str) -> Path:
        """A file of this engine's own: 'onnxruntime_int8.onnx'."""
        return self.path(f"{self.engine}{ending}")

    def array(self, name: str) -> np.ndarray:
        return np.load(self.path(f"{name}.npy"))

    def calibration_batches(self) -> list[np.ndarray]:
        """The calibration images as float32 batches (batch, c, h, w), none left over."""
        images = self.array("calibration")
        # A batch larger than the set: the set over and over, because several engines fix the batch.
        images = np.concatenate([images] * -(-self.batch // len(images)))
        count = len(images) // self.batch
        return list(images[: count * self.batch].reshape(count, self.batch, *images.shape[1:]))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Job:
        return Job(**json.loads(text))
