"""Weight scales by least squared error: a range that clips a few large weights can serve the others better.

The error of a symmetric quantizer as a function of its clip: Banner et al., "Post training 4-bit
quantization of convolutional networks for rapid-deployment" (NeurIPS 2019); here it is measured on the
weights themselves, since a channel has few of them and no known distribution.
"""

from __future__ import annotations

import torch

from .weights import choose_weight_qparams, weight_range

_OCTAVES, _STEPS = 4, 8  # factors 1 .. 2^-4: of 2 bits and Laplacian weights the best is near 0.15
_FINER = 8  # a second search between the neighbours of the best, in steps of 2^-1/64
_BLOCK = 1 << 18  # weights at a time: their errors of all factors are taken while they lie in the cache


def best_weight_scales(
    weight: torch.Tensor,
    num_bits: int = 8,
    scheme: str = "per_channel",
    bias: torch.Tensor | None = None,
    scale_in: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales (float32) and zero points (int32) of a float32 weight (oc, ...) with the least squared error.

    Arguments, shapes and errors are those of choose_weight_qparams, whose scales are multiplied by factors
    from 1 down to 1/16, for each channel its own (per tensor: one); the codes are rounded and clamped as
    the engine's are. Of equal errors the greatest scale is taken, so a channel that is exact stays so. No
    scale goes below what an exact bias needs. An affine range shrinks at both ends: its zero point stays.

    >>> weight = torch.cat([torch.full((1, 63), 0.5), torch.full((1, 1), 2.0)], 1)
    >>> best_weight_scales(weight, num_bits=2)[0]  # codes -1, 0, 1: clipping one weight saves 63
    tensor([0.5221])
    """
    natural, zero_points = choose_weight_qparams(weight, num_bits, scheme, bias, scale_in)
    # With a scale_in no scale may fall below the floor: that of weights of zero.
    floor, _ = choose_weight_qparams(torch.zeros_like(weight), num_bits, scheme, bias, scale_in)
    rows = weight.detach().flatten(1)
    if scheme == "per_tensor_affine":
        rows = rows.reshape(1, -1)
    search = _Search(
        rows, natural, torch.minimum(floor, natural), zero_points, weight_range(num_bits, scheme)
    )
    best = search.least([torch.full_like(natural, j / _STEPS) for j in range(_OCTAVES * _STEPS + 1)])
    around = [best + i / (_STEPS * _FINER) for i in range(-_FINER + 1, _FINER) if i]
    best = search.least([best, *(halvings.clamp(min=0) for halvings in around)])
    return search.scales(best), zero_points


class _Search:
    """Squared errors of rows (n, k) whose scales are `natural` (n,) halved so many times, (n,) each."""

    def __init__(
        self,
        rows: torch.Tensor,
        natural: torch.Tensor,
        floor: torch.Tensor,
        zero_points: torch.Tensor,
        code_range: tuple[int, int],
    ):
        self.rows, self.natural, self.floor = rows, natural, floor
        self.zero_points, self.code_range = zero_points, code_range

    def scales(self, halvings: torch.Tensor) -> torch.Tensor:
        return torch.maximum(self.natural * torch.exp2(-halvings), self.floor)

    def least(self, candidates: list[torch.Tensor]) -> torch.Tensor:
        """Of each row the first candidate with the least error, (n,)."""
        scales = torch.stack([self.scales(halvings) for halvings in candidates])
        best = self._errors(scales).argmin(0, keepdim=True)
        return torch.stack(candidates).gather(0, best)[0]

    def _errors(self, scales: torch.Tensor) -> torch.Tensor:
        """float64 (candidates, n)."""
        n, k = self.rows.shape
        found = torch.zeros(len(scales), n, dtype=torch.float64)
        count, width = max(1, _BLOCK // k), min(k, _BLOCK)
        for first in range(0, n, count):
            at = slice(first, first + count)
            for part in self.rows[at].split(width, 1):
                for total, scale in zip(found, scales, strict=True):
                    fake = torch.ops.icepoint.fake_quantize(
                        part, scale[at], self.zero_points[at], *self.code_range, 0
                    )
                    total[at] += (fake - part).double().square().sum(1)
        return found
