"""Layers that only move codes: they keep their input's qparams and lose nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..graph import GraphBuilder
from ..tracing import traced
from .base import QModule


class QMove(QModule):
    """y has bytes of x, in other places; `move` works on float tensors and on int32 codes alike."""

    keeps_qparams = True

    def __init__(self, has_qin: bool = False, num_bits: int | None = None, *, qi: bool | None = None):
        super().__init__(has_qin, False, num_bits, qi=qi)

    def move(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.move(self._see_input(x))

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes to int32 codes of the same qparams."""
        self._require_frozen()
        return self.move(self._bytes(x, self.q_in)).to(torch.int32)


class QSlice(QMove):
    """x[..., start:stop:step] along `axis`, which is not the batch; 0 <= start < stop, step >= 1.

    >>> qslice = QSlice(1, 0, 4, 2, has_qin=True); _ = qslice(torch.ones(1, 4)); qslice.freeze()
    >>> qslice.quantize_inference(torch.tensor([[1, 2, 3, 4]]))
    tensor([[1, 3]], dtype=torch.int32)
    """

    def __init__(
        self,
        axis: int,
        start: int,
        stop: int,
        step: int = 1,
        has_qin: bool = False,
        num_bits: int | None = None,
        *,
        qi: bool | None = None,
    ):
        super().__init__(has_qin, num_bits, qi=qi)
        if axis < 1 or not 0 <= start < stop or step < 1:
            raise ValueError(
                f"QSlice: expected axis >= 1, 0 <= start < stop and step >= 1, found axis {axis}, "
                f"{start}:{stop}:{step}"
            )
        self.axis, self.start, self.stop, self.step = axis, start, stop, step

    def move(self, x: torch.Tensor) -> torch.Tensor:
        return x[(slice(None),) * self.axis + (slice(self.start, self.stop, self.step),)]

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        stop = min(self.stop, graph.values[inputs[0]].shape[self.axis - 1])
        fields = {"axis": self.axis - 1, "start": self.start, "stop": stop, "step": self.step}
        return graph.add("slice", name, inputs, fields)


class QPermuteChannels(QMove):
    """y[:, c] = x[:, order[c]]; of (n, c, h, w) and (n, c)."""

    def __init__(
        self,
        order: Sequence[int],
        has_qin: bool = False,
        num_bits: int | None = None,
        *,
        qi: bool | None = None,
    ):
        super().__init__(has_qin, num_bits, qi=qi)
        self.order = [int(c) for c in order]
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"QPermuteChannels: expected a permutation, found {self.order}")

    def move(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.order]

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        order = torch.tensor(self.order, dtype=torch.int32)
        return graph.add("permute_channels", name, inputs, {}, {"order": order})


class QChannelShuffle(QPermuteChannels):
    """nn.ChannelShuffle(groups): channels (groups, c / groups) become (c / groups, groups)."""

    def __init__(
        self,
        groups: int,
        channels: int,
        has_qin: bool = False,
        num_bits: int | None = None,
        *,
        qi: bool | None = None,
    ):
        if groups < 1 or channels % groups:
            raise ValueError(
                f"QChannelShuffle: expected groups that divide {channels} channels, found {groups}"
            )
        order = torch.arange(channels).view(groups, -1).t().reshape(-1).tolist()
        super().__init__(order, has_qin, num_bits, qi=qi)


class QPixelShuffle(QMove):
    """An nn.PixelShuffle or nn.PixelUnshuffle: channels become pixels, or pixels channels.

    In a frozen file it is a (transposed) convolution by ones and zeros with M = 1, which moves bytes.
    """

    def __init__(
        self,
        module: nn.PixelShuffle | nn.PixelUnshuffle,
        has_qin: bool = False,
        num_bits: int | None = None,
        *,
        qi: bool | None = None,
    ):
        super().__init__(has_qin, num_bits, qi=qi)
        if not isinstance(module, (nn.PixelShuffle, nn.PixelUnshuffle)):
            raise ValueError(f"QPixelShuffle: expected an nn.PixelShuffle, found {type(module).__name__}")
        self.module = module

    def move(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        up = isinstance(self.module, nn.PixelShuffle)
        r = self.module.upscale_factor if up else self.module.downscale_factor
        channels = graph.values[inputs[0]].shape[0] // (r * r if up else 1)
        # One of r * r channels for each place of a window of r x r: (r * r, 1, r, r).
        one = torch.eye(r * r, dtype=torch.int8).view(r * r, 1, r, r).repeat(channels, 1, 1, 1)
        q = self.q_in
        fields = {
            "out_channels": channels if up else channels * r * r,
            "kernel_size": [r, r],
            "stride": [r, r],
            "padding": [0, 0, 0, 0],
            "dilation": [1, 1],
            "groups": channels,
            "weight_bits": 8,
            "weight_affine": False,
            "lo": 0,
            "hi": q.qmax,
        }
        tensors = {"weight": one, "weight_scale": torch.ones(1),
                   "multiplier": torch.tensor([1 << 30], dtype=torch.int32),
                   "shift": torch.tensor([30], dtype=torch.int32)}  # fmt: skip
        if not up:
            return graph.add("qconv2d", name, inputs, fields, tensors, q)
        return graph.add("qconv_transpose2d", name, inputs, fields | {"output_padding": [0, 0]}, tensors, q)
