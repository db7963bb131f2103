"""Cross-layer equalization: channels scaled so that the weights before and behind them have like ranges."""

from __future__ import annotations

import torch

from ..capture import Captured
from .evidence import Evidence
from .links import Link, links
from .scaling import column_ranges, folded, input_channels, peaks, scaled, within_clamps

_ROUNDS = 20
_STILL = 1e-3  # of a scale's logarithm: then the next round would change nothing
_WIDEST = 2.0**12  # between two channels' scales: what is almost dead stays so


def equalize(graph: Captured, evidence: Evidence) -> Captured:
    """The same float function with like ranges: s[c] = sqrt(r1[c] / r2[c]), over all pairs until they rest.

    r1[c] is the greatest |weight| that makes channel c, r2[c] the greatest that reads it: both become
    sqrt(r1 r2) (M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
    ICCV 2019, section 4.1; so depthwise triples are two pairs). For one scale a tensor it is decisive;
    with scales a channel it evens out activations. A channel that nothing makes or reads stays, and what
    the calibration images show keeps ReLU6 and other clamps harmless (within_clamps).
    """
    found = links(graph)
    clamped = [link for link in found if link.high is not None]
    seen = peaks(graph, evidence, clamped) if clamped else {}
    ranges = _Ranges(graph)
    total = {link.producer.output: torch.ones(link.count, dtype=torch.float64) for link in found}
    for _ in range(_ROUNDS):
        moved = 0.0
        for link in found:
            at = link.producer.output
            wanted = total[at] * ranges.scale(link)
            if link.high is not None:
                wanted = within_clamps(link, wanted, seen[at])
            step = wanted / total[at]
            ranges.divide(link, step)
            total[at] = wanted
            moved = max(moved, float(step.log().abs().max()))
        if moved < _STILL:
            break
    return scaled(graph, found, total) if found else graph


class _Ranges:
    """The folded weights of a graph, scaled on the way."""

    def __init__(self, graph: Captured):
        layers = folded(graph)
        self._weights = {at: weight for at, (weight, _) in layers.items()}
        self._biases = {at: bias for at, (_, bias) in layers.items()}

    def scale(self, link: Link) -> torch.Tensor:
        """sqrt(r1 / r2) a channel, and 1 less what is common to all where either is 0.

        A channel that is 0, weights and bias, may be read by any weights: they get the range of the others.
        """
        at = link.producer.output
        made = self._weights[at].abs().flatten(1).amax(1)
        read = torch.zeros_like(made)
        for step, of in link.consumers:
            read.scatter_reduce_(0, of, column_ranges(step.module, self._weights[step.output]), "amax")
        alive = (made > 0) & (read > 0)
        if not alive.any():
            return torch.ones_like(made)
        s = torch.where(alive, made / torch.where(alive, read, 1.0), 1.0).sqrt()
        middle = s[alive].log().mean().exp()
        s = torch.where(alive, s.clamp(middle / _WIDEST, middle * _WIDEST), middle)
        nothing = (made == 0) & (self._biases[at] == 0) & (read > 0)
        like = (made * read)[alive].sqrt().median()
        return torch.where(nothing, like / torch.where(nothing, read, 1.0), s)

    def divide(self, link: Link, s: torch.Tensor) -> None:
        weight = self._weights[link.producer.output]
        weight /= s.view(-1, *[1] * (weight.dim() - 1))
        for step, of in link.consumers:
            weight = self._weights[step.output]
            weight *= input_channels(step.module, s[of]).view(*weight.shape[:2], *[1] * (weight.dim() - 2))
