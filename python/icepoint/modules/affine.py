"""QAffine and QBatchNorm2d: y = gain x + offset a channel, where nothing can fold it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .. import _C
from ..graph import GraphBuilder
from ..tracing import traced
from .base import QModule
from .clamps import Activation, activated, activation_range, check_activation
from .folding import apply_map, check_batchnorm, check_settled, composed


class QAffine(QModule):
    """Maps gain x + offset a channel, one behind the other: clamp(zy + ((x - zx) m + b + 2^(s-1) >> s)).

    `maps` are BatchNorms, or modules that have `gain` and `offset`, numbers or (c,). Channels are axis
    1, or with axis=-1 the last one. With an `activation` q_out observes behind it.
    """

    def __init__(
        self,
        maps: Sequence[nn.Module],
        has_qin: bool = False,
        has_qout: bool = True,
        num_bits: int = 8,
        activation: Activation = None,
        *,
        axis: int = 1,
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        super().__init__(has_qin, has_qout, num_bits, qi=qi, qo=qo)
        self.activation, self.axis = check_activation(activation), axis
        self._register(maps)

    def _register(self, maps: Sequence[nn.Module]) -> None:
        self.maps = nn.ModuleList(maps)

    def maps_behind(self) -> Sequence[nn.Module]:
        return list(self.maps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.finish(self.begin(self._see_input(x)))

    def begin(self, x: torch.Tensor) -> torch.Tensor:
        """The maps in float, before the activation."""
        for m in self.maps_behind():
            x = apply_map(m, x)
        return x

    def finish(self, y: torch.Tensor) -> torch.Tensor:
        """The activation, and what q_out does in forward."""
        return self._see_output(activated(y, self.activation))

    def restate(self, gain: torch.Tensor, offset: torch.Tensor) -> None:
        """Fixes the integers of gain y + offset, float64 (c,): BatchNorm by the statistics of one batch."""
        own, moved = composed(self.maps_behind())
        self._hold(lambda: self._integers_of(own * gain, moved * gain + offset))

    def _make_integers(self) -> dict[str, torch.Tensor]:
        check_settled(self.maps_behind())
        return self._integers_of(*composed(self.maps_behind()))

    def _integers_of(self, gain: torch.Tensor, offset: torch.Tensor) -> dict[str, torch.Tensor]:
        gain, offset = gain.detach(), offset.detach()
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
        """int32 codes of q_in to int32 codes of q_out: (n, c), (n, c, h, w), or (..., c) with axis=-1."""
        self._require_frozen()
        codes, i = self._bytes(x, self.q_in), self.integers
        rows = codes.reshape(-1, codes.shape[-1]) if self.axis == -1 else codes
        y = torch.ops.icepoint.qaffine(
            rows, self.q_in.zero_point, i["multiplier"], i["offset"], i["shift"],
            self.q_out.zero_point, *activation_range(self.activation, self.q_out),
        )  # fmt: skip
        return y.to(torch.int32).reshape(codes.shape)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        low, high = activation_range(self.activation, self.q_out)
        return graph.add("qaffine", name, inputs, {"lo": low, "hi": high}, self.integers, self.q_out)


class QBatchNorm2d(QAffine):
    """An nn.BatchNorm2d that cannot be folded: y = clamp(zy + ((x - zx) m + b + 2^(s-1) >> s)) a channel.

    Its running statistics are read as in eval mode, and never moved. An nn.BatchNorm1d of (n, c) is one
    too. `behind`: more maps, as QAffine has them. With activation="relu", "relu6" or (low, high) q_out
    observes behind the activation.
    """

    def __init__(
        self,
        bn_module: nn.BatchNorm2d,
        has_qin: bool = False,
        has_qout: bool = True,
        num_bits: int = 8,
        activation: Activation = None,
        *,
        behind: Sequence[nn.Module] = (),
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        check_batchnorm(bn_module, "QBatchNorm2d")
        super().__init__((bn_module, *behind), has_qin, has_qout, num_bits, activation, qi=qi, qo=qo)

    def _register(self, maps: Sequence[nn.Module]) -> None:
        self.bn_module, self.behind = maps[0], nn.ModuleList(maps[1:])

    def maps_behind(self) -> Sequence[nn.Module]:
        return [self.bn_module, *self.behind]
