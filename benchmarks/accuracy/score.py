"""From logits to what stands in a row: right answers, answers changed against float, SQNR. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..summary import sqnr


def score(expected: np.ndarray, found: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """right, changed: images of (n, classes) logits against labels (n,) and the float network's; sqnr_db.

    sqnr_db is over all logits of all images, None where nothing differs. ValueError for another shape, or
    for logits that are not finite.
    """
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise ValueError(f"expected finite logits {expected.shape}, found {found.shape} {found.dtype}")
    answers = found.argmax(1)
    return {
        "right": int((answers == labels).sum()),
        "changed": int((answers != expected.argmax(1)).sum()),
        "sqnr_db": sqnr(expected, found),
    }


def in_levels(logits: np.ndarray, levels: int = 256) -> np.ndarray:
    """The logits rounded to so many equal steps between the smallest and the largest of all.

    What an engine with 8-bit logits cannot undercut: equal ones tie, and the first class wins.
    """
    step = (float(logits.max()) - float(logits.min())) / (levels - 1)
    return (np.rint(logits / step) * step).astype(np.float32)
