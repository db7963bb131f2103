"""Weights and biases as the integers of a layer, and the proof that its accumulators cannot overflow.

Sections 1 to 3 of docs/numerics.md, in double.
"""

from __future__ import annotations

import numpy as np
import torch

from . import _C
from .qparams import QParam
from .tuning import Tuning
from .weights import WeightQParam

_BLOCK = 1 << 20  # weights that are widened at a time: a copy of VGG16's largest layer would be 800 MB

_UNTUNED = Tuning()


def integers_of_weights(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    q: WeightQParam,
    q_in: QParam,
    q_out: QParam,
    tuning: Tuning = _UNTUNED,
    gain: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """What a convolution or linear layer computes with: codes, zero points, bias, multiplier, shift.

    `codes` (oc, ...) are int8 (affine: uint8, 0 .. 2^b - 1), `zero_point`, `bias` (oc,), `multiplier`
    and `shift` int32, each of length 1 or oc. `q` is updated with the bias in view. `gain`: float64 (oc,),
    positive, multiplies what a channel's codes stand for and not the codes: gain scale (code - zero_point).
    ValueError where a multiplier leaves its range or an accumulator could overflow int32, with the channel.
    """
    q.update(weight, bias if bias is None or gain is None else bias / gain, q_in.scale, tuning)
    scales, zero_points = q.known()
    scale_w = scales.double().numpy() if gain is None else (scales * gain.detach()).numpy()
    found = {"codes": q.codes(weight), "zero_point": zero_points}
    if bias is not None:
        bias_q = np.rint(bias.detach().double().numpy() / (q_in.scale * scale_w))
        found["bias"] = torch.from_numpy(bias_q.astype(np.int64).astype(np.int32))
    pairs = [_C.quantize_multiplier(m) for m in q_in.scale * scale_w / q_out.scale]
    found["multiplier"] = torch.tensor([m for m, _ in pairs], dtype=torch.int32)
    found["shift"] = torch.tensor([s for _, s in pairs], dtype=torch.int32)
    _prove_no_overflow(found, q_in)
    return found


def _prove_no_overflow(integers: dict[str, torch.Tensor], q_in: QParam) -> None:
    """Section 2 of docs/numerics.md: with x in 0..qmax every accumulator stays within int32."""
    rows = integers["codes"].flatten(1)
    zero_points = integers["zero_point"].expand(len(rows))
    block = max(1, _BLOCK // rows.shape[1])
    parts = []
    for codes, zero_point in zip(rows.split(block), zero_points.split(block), strict=True):
        centred = codes.to(torch.int32) - zero_point.unsqueeze(1)  # 9 bits; the sums are int64
        parts.append((centred.clamp(min=0).sum(1), -centred.clamp(max=0).sum(1)))
    up, down = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    above, below = q_in.qmax - q_in.zero_point, q_in.zero_point
    bias = integers["bias"].numpy().astype(np.int64) if "bias" in integers else np.zeros(len(rows), np.int64)
    for offset in (bias, np.zeros_like(bias)):
        high, low = offset + up * above + down * below, offset - up * below - down * above
        bad = np.flatnonzero((high > 2**31 - 1) | (low < -(2**31)))
        if bad.size:
            c = int(bad[0])
            raise ValueError(
                f"channel {c}: its accumulator could reach {int(low[c])}..{int(high[c])}, beyond int32; "
                "use fewer bits, or more groups"
            )
