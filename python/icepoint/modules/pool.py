"""Pooling on codes: max keeps its input's qparams, averages requantize by the taps' divisor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from .. import _C
from ..graph import GraphBuilder
from ..tracing import traced
from .base import QModule
from .windows import pair, sides


class QMaxPooling2d(QModule):
    """Max-pooling by (kernel_size, stride, padding) as in the notebook, or by an nn.MaxPool2d as in the lab.

    Padding never wins, and codes keep their meaning: there is no q_out. stride=None is kernel_size.
    """

    keeps_qparams = True

    def __init__(
        self,
        kernel_size: int | Sequence[int] | nn.MaxPool2d = 3,
        stride: int | Sequence[int] | None = 1,
        padding: int | Sequence[int] = 0,
        has_qin: bool = False,
        num_bits: int | None = None,
        *,
        dilation: int | Sequence[int] = 1,
        ceil_mode: bool = False,
        qi: bool | None = None,
    ):
        super().__init__(has_qin, False, num_bits, qi=qi)
        if isinstance(kernel_size, nn.MaxPool2d):
            pool = kernel_size
            if pool.return_indices:
                raise ValueError("QMaxPooling2d: expected return_indices=False, codes carry no indices")
            kernel_size, stride, padding = pool.kernel_size, pool.stride, pool.padding
            dilation, ceil_mode = pool.dilation, pool.ceil_mode
        self.kernel_size = pair(kernel_size, "QMaxPooling2d.kernel_size")
        self.stride = pair(kernel_size if stride is None else stride, "QMaxPooling2d.stride")
        self.padding = pair(padding, "QMaxPooling2d.padding", least=0)
        self.dilation = pair(dilation, "QMaxPooling2d.dilation")
        self.ceil_mode = bool(ceil_mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._see_input(x)
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes (n, c, h, w) to int32 codes (n, c, oh, ow)."""
        self._require_frozen()
        y = torch.ops.icepoint.qmax_pool2d(
            self._bytes(x, self.q_in), self.kernel_size, self.stride, sides(self.padding, "padding"),
            self.dilation, self.ceil_mode,
        )  # fmt: skip
        return y.to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        fields = {
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": sides(self.padding, "padding"),
            "dilation": self.dilation,
            "ceil_mode": self.ceil_mode,
        }
        return graph.add("qmax_pool2d", name, inputs, fields)


class _QAverage(QModule):
    """What both averages share: a multiplier sx / (sy d) for each divisor d that an input size brings."""

    def _divisors(self, height: int, width: int) -> list[int]:
        raise NotImplementedError

    def _requant(self, divisors: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        with _C.FloatEnv():
            pairs = [_C.quantize_multiplier(self.q_in.scale / (self.q_out.scale * d)) for d in divisors]
        return tuple(torch.tensor(column, dtype=torch.int32) for column in zip(*pairs, strict=True))

    def _tables(self, divisors: Sequence[int], effective: Sequence[int] | None = None) -> list[torch.Tensor]:
        effective = divisors if effective is None else effective
        return [torch.tensor(divisors, dtype=torch.int32), *self._requant(effective)]

    def _make_integers(self) -> dict[str, torch.Tensor]:
        self._requant([1])  # an M that is too large is told when freezing; the divisors only shrink it
        return {}


class QAvgPool2d(_QAverage):
    """Average pooling by torch's arguments or by an nn.AvgPool2d, with torch's divisors.

    The sum of the taps inside the input is requantized once, to q_out.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int] | nn.AvgPool2d,
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        has_qin: bool = False,
        has_qout: bool = True,
        num_bits: int = 8,
        *,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        super().__init__(has_qin, has_qout, num_bits, qi=qi, qo=qo)
        if isinstance(kernel_size, nn.AvgPool2d):
            pool = kernel_size
            kernel_size, stride, padding = pool.kernel_size, pool.stride, pool.padding
            ceil_mode, count_include_pad = pool.ceil_mode, pool.count_include_pad
            divisor_override = pool.divisor_override
        self.kernel_size = pair(kernel_size, "QAvgPool2d.kernel_size")
        self.stride = pair(kernel_size if stride is None else stride, "QAvgPool2d.stride")
        self.padding = pair(padding, "QAvgPool2d.padding", least=0)
        self.ceil_mode, self.count_include_pad = bool(ceil_mode), bool(count_include_pad)
        if divisor_override is not None and (not isinstance(divisor_override, int) or divisor_override < 1):
            raise ValueError(
                f"QAvgPool2d.divisor_override: expected an integer >= 1, found {divisor_override}"
            )
        self.divisor_override = divisor_override

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.avg_pool2d(
            self._see_input(x), self.kernel_size, self.stride, self.padding,
            self.ceil_mode, self.count_include_pad, self.divisor_override,
        )  # fmt: skip
        return self._see_output(y)

    def _divisors(self, height: int, width: int) -> list[int]:
        return _C.avg_pool2d_divisors(
            height, width, self.kernel_size, self.stride, sides(self.padding, "padding"),
            self.ceil_mode, self.count_include_pad, 0,
        )  # fmt: skip

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes (n, c, h, w) of q_in to int32 codes of q_out."""
        self._require_frozen()
        codes = self._bytes(x, self.q_in)
        # The op looks a window's own divisor up; an override is the same multiplier for all of them.
        divisors = self._divisors(*codes.shape[-2:])
        effective = None if self.divisor_override is None else [self.divisor_override] * len(divisors)
        y = torch.ops.icepoint.qavg_pool2d(
            codes, self.q_in.zero_point, self.kernel_size, self.stride, sides(self.padding, "padding"),
            self.ceil_mode, self.count_include_pad, *self._tables(divisors, effective),
            self.q_out.zero_point, 0, self.q_out.qmax,
        )  # fmt: skip
        return y.to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        fields = {
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": sides(self.padding, "padding"),
            "ceil_mode": self.ceil_mode,
            "count_include_pad": self.count_include_pad,
            "divisor_override": self.divisor_override or 0,
            "lo": 0,
            "hi": self.q_out.qmax,
        }
        height, width = graph.values[inputs[0]].shape[-2:]
        divisors = [self.divisor_override] if self.divisor_override else self._divisors(height, width)
        tensors = dict(zip(("divisors", "multiplier", "shift"), self._tables(divisors), strict=True))
        return graph.add("qavg_pool2d", name, inputs, fields, tensors, self.q_out)


class QAdaptiveAvgPool2d(_QAverage):
    """Average pooling to output_size, an int, a pair (None keeps a side) or an nn.AdaptiveAvgPool2d.

    output_size 1 is the global average, the mean over H and W.
    """

    def __init__(
        self,
        output_size: int | Sequence[int | None] | nn.AdaptiveAvgPool2d,
        has_qin: bool = False,
        has_qout: bool = True,
        num_bits: int = 8,
        *,
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        super().__init__(has_qin, has_qout, num_bits, qi=qi, qo=qo)
        size = output_size.output_size if isinstance(output_size, nn.AdaptiveAvgPool2d) else output_size
        self.output_size = list(size) if isinstance(size, (tuple, list)) else [size, size]
        pair([1 if side is None else side for side in self.output_size], "QAdaptiveAvgPool2d.output_size")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._see_output(F.adaptive_avg_pool2d(self._see_input(x), self.output_size))

    def _size(self, height: int, width: int) -> list[int]:
        return [a if a is not None else b for a, b in zip(self.output_size, (height, width), strict=True)]

    def _divisors(self, height: int, width: int) -> list[int]:
        return _C.adaptive_avg_pool2d_divisors(height, width, self._size(height, width))

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes (n, c, h, w) of q_in to int32 codes of q_out."""
        self._require_frozen()
        codes = self._bytes(x, self.q_in)
        height, width = codes.shape[-2:]
        tables = self._tables(self._divisors(height, width))
        y = torch.ops.icepoint.qadaptive_avg_pool2d(
            codes, self.q_in.zero_point, self._size(height, width), *tables,
            self.q_out.zero_point, 0, self.q_out.qmax,
        )  # fmt: skip
        return y.to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        height, width = graph.values[inputs[0]].shape[-2:]
        fields = {"output_size": self._size(height, width), "lo": 0, "hi": self.q_out.qmax}
        tables = self._tables(self._divisors(height, width))
        tensors = dict(zip(("divisors", "multiplier", "shift"), tables, strict=True))
        return graph.add("qadaptive_avg_pool2d", name, inputs, fields, tensors, self.q_out)
