"""SmoothQuant: ranges move from activations, of which all channels share one scale, into the weights."""

from __future__ import annotations

import torch

from ..capture import Captured, Step
from .evidence import Evidence
from .links import Link, links
from .scaling import column_ranges, folded, peaks, scaled, within_clamps

#: How much of an activation's range goes into the weights behind it: the paper's alpha.
STRENGTH = 0.5
_WIDEST = 2.0**12  # between the scales of the greatest channel and of any other


def smooth(graph: Captured, evidence: Evidence) -> Captured:
    """The same float function with activations of like ranges a channel: s = a^t / w^(1 - t).

    a[c] is the greatest |x| of channel c on the calibration images, w[c] the greatest |weight| that reads
    it, t = 1/2 (G. Xiao et al., "SmoothQuant", ICML 2023). The layer before makes x / s at once where
    nothing mixes channels between (links); elsewhere nothing is done. A depthwise layer with a scale for
    each channel loses nothing by other weights, so there t = 1: every channel uses all codes. Channels
    that are always 0 stay; clamps stay harmless (within_clamps).
    """
    found = links(graph)
    if not found:
        return graph
    seen = peaks(graph, evidence, found)
    weights = {at: weight for at, (weight, _) in folded(graph).items()}
    per_channel = evidence.options.weights != "per_tensor_affine"
    scales = {}
    for link in found:
        at = link.producer.output
        free = per_channel and all(_is_depthwise(link, step) for step, _ in link.consumers)
        s = _scale(link, seen[at], weights, 1.0 if free else STRENGTH)
        scales[at] = within_clamps(link, s, seen[at])
    return scaled(graph, found, scales)


def _is_depthwise(link: Link, step: Step) -> bool:
    return getattr(step.module, "groups", 1) == link.count


def _scale(link: Link, peak: torch.Tensor, weights: dict[int, torch.Tensor], strength: float) -> torch.Tensor:
    """s of the greatest channel is 1; where nothing is made or read too."""
    read = torch.zeros_like(peak)
    for step, of in link.consumers:
        read.scatter_reduce_(0, of, column_ranges(step.module, weights[step.output]), "amax")
    alive = (peak > 0) & (read > 0)
    s = torch.where(alive, peak**strength / torch.where(alive, read, 1.0) ** (1 - strength), 0.0)
    top = float(s.max()) or 1.0
    return torch.where(alive, (s / top).clamp(min=1.0 / _WIDEST), 1.0)
