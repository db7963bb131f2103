"""BatchNorm: its two numbers a channel, in double, and the QModule for one that follows no convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .. import _C
from ..graph import GraphBuilder
from ..tracing import traced
from .base import QModule
from .clamps import activated, activation_range, check_activation


def check_batchnorm(bn: nn.Module, who: str) -> None:
    """ValueError unless `bn` is an nn.BatchNorm2d with running statistics."""
    if not isinstance(bn, nn.BatchNorm2d):
        raise ValueError(f"{who}: expected an nn.BatchNorm2d, found {type(bn).__name__}")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"{who}: expected running statistics, found track_running_stats=False")


def check_settled(bn: nn.BatchNorm2d) -> None:
    """ValueError in train() mode: the statistics that freezing fixes would still move."""
    if bn.training:
        raise ValueError(
            "its BatchNorm is in train() mode: call eval() before freeze, its statistics still move"
        )


def gain_and_offset(bn: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """g, o (c,), float64: bn(x) = g x + o in eval mode, g = gamma / sqrt(var + eps), o = beta - mean g."""
    deviation = torch.sqrt(bn.running_var.double() + bn.eps)
    g = (torch.ones_like(deviation) if bn.weight is None else bn.weight.double()) / deviation
    offset = -bn.running_mean.double() * g
    return g, offset if bn.bias is None else bn.bias.double() + offset


class QBatchNorm2d(QModule):
    """An nn.BatchNorm2d that cannot be folded: y = clamp(zy + ((x - zx) m + b + 2^(s-1) >> s)) a channel.

    Its running statistics are read as in eval mode, and never moved. With activation="relu" or
    "relu6" q_out observes behind the activation.
    """

    def __init__(
        self,
        bn_module: nn.BatchNorm2d,
        has_qin: bool = False,
        has_qout: bool = True,
        num_bits: int = 8,
        activation: str | None = None,
        *,
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        super().__init__(has_qin, has_qout, num_bits, qi=qi, qo=qo)
        check_batchnorm(bn_module, "QBatchNorm2d")
        self.activation = check_activation(activation)
        self.bn_module = bn_module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bn = self.bn_module
        y = F.batch_norm(
            self._see_input(x),
            bn.running_mean,
            bn.running_var,
            bn.weight,
            bn.bias,
            training=False,
            eps=bn.eps,
        )
        return self._see_output(activated(y, self.activation))

    def _make_integers(self) -> dict[str, torch.Tensor]:
        check_settled(self.bn_module)
        gain, offset = (v.detach() for v in gain_and_offset(self.bn_module))
        x, y = self.q_in, self.q_out
        if not bool(torch.isfinite(gain + offset).all()):
            raise ValueError("expected finite BatchNorm parameters and statistics, found NaN or infinity")
        rows = []
        for c, (g, o) in enumerate(
            zip((gain * x.scale / y.scale).tolist(), (offset / y.scale).tolist(), strict=True)
        ):
            try:
                rows.append(_C.quantize_affine(
                    g, o, x.scale, x.zero_point, x.num_bits, y.scale, y.zero_point, y.num_bits
                ))  # fmt: skip
            except ValueError as error:
                raise ValueError(f"channel {c}: {error}") from error
        columns = zip(*rows, strict=True)
        names = ("multiplier", "offset", "shift")
        return {n: torch.tensor(v, dtype=torch.int32) for n, v in zip(names, columns, strict=True)}

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes (n, c, h, w) of q_in to int32 codes of q_out."""
        self._require_frozen()
        i = self.integers
        y = torch.ops.icepoint.qaffine(
            self._bytes(x, self.q_in), self.q_in.zero_point, i["multiplier"], i["offset"], i["shift"],
            self.q_out.zero_point, *activation_range(self.activation, self.q_out),
        )  # fmt: skip
        return y.to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        low, high = activation_range(self.activation, self.q_out)
        return graph.add("qaffine", name, inputs, {"lo": low, "hi": high}, self.integers, self.q_out)
