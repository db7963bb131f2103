"""What the page shows of the worst layers: histograms, and the images that lose most there."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from ..recipe import Recipe
from .causes import ends_of
from .rows import Row
from .sums import LayerSums, sqnr_db

_WORST = 3  # layers
_IMAGES = 4  # of each
_BINS = 96
_SIDE = 96  # pixels of a thumbnail


@dataclass(frozen=True)
class Sketch:
    """One layer's histogram in float and behind the integers, and the images that lose most.

    `values`: the least real value of each bin, of the last the greatest. `low`, `high`: what the codes reach.
    `images`: (number in the sample, SQNR in dB), the worst first.
    """

    layer: str
    values: list[float]
    before: list[int]
    after: list[int]
    low: float
    high: float
    images: list[tuple[int, float | None]]


def sketches_of(rows: Sequence[Row], layers: Sequence[LayerSums], first: Sequence[str]) -> list[Sketch]:
    """Of up to three layers: those named `first`, then those that cost the outputs most."""
    cost = {row.layer: row.output_share or 0.0 for row in rows}
    order = sorted(layers, key=lambda s: (s.stage.name not in first, -cost[s.stage.name]))
    found = (_sketch(sums) for sums in order)
    return [sketch for sketch in found if sketch is not None][:_WORST]


def _sketch(sums: LayerSums) -> Sketch | None:
    bars = sums.histogram()
    if not bars:
        return None
    width = -(-len(bars) // _BINS)
    groups = [bars[i : i + width] for i in range(0, len(bars), width)]
    lost = [sqnr_db(s, n) for s, n in zip(sums.image_signal, sums.image_noise, strict=True)]
    order = sorted(range(len(lost)), key=lambda i: float("inf") if lost[i] is None else lost[i])
    return Sketch(
        sums.stage.name,
        [*(group[0][0] for group in groups[:-1]), groups[-1][-1][0]],
        [sum(bar[1] for bar in group) for group in groups],
        [sum(bar[2] for bar in group) for group in groups],
        *ends_of(sums.stage.layer.q_result),
        [(i, lost[i]) for i in order[:_IMAGES]],
    )


def thumbnails(
    sample: Sequence[torch.Tensor], wanted: Sequence[int], recipe: Recipe | None
) -> dict[int, str]:
    """Small PNGs of images of the sample as data: URLs, by number; none where the input is no picture."""
    x = sample[0]
    if len(sample) != 1 or x.dim() != 4 or x.shape[1] not in (1, 3):
        return {}
    return {i: _png(x[i], recipe) for i in sorted(set(wanted))}


def _png(x: torch.Tensor, recipe: Recipe | None) -> str:
    if recipe is not None and len(recipe.mean) == len(x):
        mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (recipe.mean, recipe.std))
        pixels = (x * std + mean) * recipe.divide
    else:  # nobody knows what black is: the darkest is
        low, high = float(x.min()), float(x.max())
        pixels = (x - low) * (255 / (high - low) if high > low else 1.0)
    pixels = pixels.round().clamp(0, 255).to(torch.uint8)
    array = pixels[0].numpy() if len(x) == 1 else pixels.permute(1, 2, 0).numpy()
    picture = Image.fromarray(array)
    scale = _SIDE / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    picture = picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(out.getvalue()).decode()}"
