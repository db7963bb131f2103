"""One network of the comparison, quantized by icepoint with many options: for the tables of the docs."""

from __future__ import annotations

import sys
import time
from typing import Any

import torch

from icepoint import quantize

from .score import score
from .subjects import SUBJECTS, WEIGHTS


class OneNetwork:
    """A subject's float network, its calibration and its evaluation images, and the float answers."""

    def __init__(self, name: str):
        subject = SUBJECTS[name]
        if missing := subject.needs():
            sys.exit(missing)
        self.title, images, self.model = subject.title, subject.images(), subject.network(WEIGHTS)
        self.labels = images.labels
        self.calibration, self.evaluation = images.inputs()
        self.expected = self._answers(self.model)

    def _answers(self, model: Any) -> Any:
        with torch.no_grad():
            return torch.cat([model(x) for x in self.evaluation.split(32)]).numpy()

    def cell(self, **options: Any) -> str:
        """Answers changed, SQNR of the logits, CPU seconds of icepoint.quantize with these options."""
        started = time.process_time()
        q = quantize(self.model, self.calibration[:1], self.calibration, **options)
        seconds = time.process_time() - started  # of quantize as a whole
        scores = score(self.expected, self._answers(q), self.labels)
        return f"{scores['changed']:4d} {scores['sqnr_db']:6.2f} dB {seconds:5.1f} s"
