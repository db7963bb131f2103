"""Functions of one number as tables of 256 codes: sigmoid, SiLU, GELU, ELU, PReLU and all others."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import nn

from ..graph import GraphBuilder
from ..qparams import QParam
from ..tracing import traced
from .base import QModule

#: Functions that a name stands for.
FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "hardsigmoid": nn.Hardsigmoid, "hardswish": nn.Hardswish,
    "silu": nn.SiLU, "gelu": nn.GELU, "elu": nn.ELU, "selu": nn.SELU, "celu": nn.CELU, "mish": nn.Mish,
    "leaky_relu": nn.LeakyReLU, "softplus": nn.Softplus, "softsign": nn.Softsign, "tanhshrink": nn.Tanhshrink,
    "hardshrink": nn.Hardshrink, "softshrink": nn.Softshrink, "log_sigmoid": nn.LogSigmoid,
}  # fmt: skip

#: Ranges that are known beforehand.
RANGES = {"sigmoid": (0.0, 1.0), "hardsigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


class QFunction(QModule):
    """Any function of one number, as table[x]: one code for each code, computed in double when freezing.

    `function` is a name of FUNCTIONS, an nn.Module such as nn.LeakyReLU(0.1), or any callable from a
    tensor to one of the same shape that works element by element, in float32 and in float64. With
    `output_range` q_out is fixed to it, whatever the data; sigmoid, hardsigmoid and tanh have theirs.
    `channels`: the functions of (n, channels, ...) differ along axis 1 (PReLU), and so do the tables.
    An infinite value saturates; where the function is not a number for a code that can occur, freezing
    raises ValueError with the real value.

    >>> qsilu = QFunction("silu", has_qin=True); _ = qsilu(torch.linspace(-4.0, 4.0, 9)); qsilu.freeze()
    >>> qsilu.quantize_inference(torch.tensor([0, 128, 255])), qsilu.q_out.zero_point
    (tensor([ 12,  16, 254], dtype=torch.int32), 16)
    """

    def __init__(
        self,
        function: str | nn.Module | Callable[[torch.Tensor], torch.Tensor],
        has_qin: bool = False,
        has_qout: bool = True,
        num_bits: int = 8,
        *,
        name: str | None = None,
        output_range: tuple[float, float] | None = None,
        channels: int | None = None,
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        if isinstance(function, str):
            if function not in FUNCTIONS:
                raise ValueError(f"QFunction: expected one of {', '.join(FUNCTIONS)}, found {function!r}")
            name, function = name or function, FUNCTIONS[function]()
        if not callable(function):
            raise ValueError(f"QFunction: expected a name or a callable, found {function!r}")
        own = name or _name_of(function)
        fixed = output_range or RANGES.get(own)
        super().__init__(has_qin, has_qout and fixed is None, num_bits, qi=qi, qo=qo)
        self.function, self.channels = function, channels
        self.name = re.sub(r"[^A-Za-z0-9_-]", "_", own)[:64]  # what a file takes
        if fixed is not None:
            self.q_out = QParam.of_range(*fixed, self.num_bits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._see_input(x)
        y = self.function(x)
        if not self.frozen:
            return self._see_output(y)
        with torch.no_grad():  # the very codes of the table; gradients are those of the function
            codes = torch.ops.icepoint.lookup(
                self._bytes(self.q_in.quantize_tensor(x), self.q_in), self.integers["table"]
            )
            exact = self.q_out.dequantize_tensor(codes)
        y = self.q_out.fake_quantize(y)
        return y + (exact - y).detach()

    def _make_integers(self) -> dict[str, torch.Tensor]:
        reals = reals_of(self.q_in)
        shape = (256,) if self.channels is None else (self.channels, 256)
        with torch.no_grad():
            found = self.function(reals.expand(shape)[None])[0].double()
        bad = torch.isnan(found.reshape(-1, 256)).any(0).nonzero()
        if len(bad):
            raise ValueError(
                f"{self.name} is not a number at {float(reals[int(bad[0])]):g}, which lies in the range of "
                "its input (a range always holds 0); clamp the input to where the function is defined"
            )
        return {"table": table_of(found, self.q_out)}

    @traced
    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes of any shape; (n, channels) or (n, channels, h, w) where channels differ."""
        self._require_frozen()
        return torch.ops.icepoint.lookup(self._bytes(x, self.q_in), self.integers["table"]).to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        return graph.add("lookup", name, inputs, {"function": self.name}, self.integers, self.q_out)


class QSigmoid(QFunction):
    """1 / (1 + exp(-x)) as a table of 256 codes, computed in double when freezing.

    Its output lies in [0, 1] whatever the data, so q_out is choose_qparams(0, 1) and observes nothing.
    """

    def __init__(self, has_qin: bool = False, num_bits: int = 8, *, qi: bool | None = None):
        super().__init__("sigmoid", has_qin, False, num_bits, qi=qi)


class QPReLU(QFunction):
    """An nn.PReLU: x, and slope x below zero, with one table, or one a channel of (n, c) and (n, c, h, w)."""

    def __init__(
        self,
        module: nn.PReLU,
        has_qin: bool = False,
        has_qout: bool = True,
        num_bits: int = 8,
        *,
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        if not isinstance(module, nn.PReLU):
            raise ValueError(f"QPReLU: expected an nn.PReLU, found {type(module).__name__}")
        channels = module.num_parameters if module.num_parameters > 1 else None
        super().__init__(
            Slopes(module.weight), has_qin, has_qout, num_bits, name="prelu", channels=channels, qi=qi, qo=qo
        )


class Slopes(nn.Module):
    """x where x >= 0, else slope x; one slope, or one a channel along axis 1. Takes float64 too."""

    def __init__(self, slope: torch.Tensor):
        super().__init__()
        self.slope = slope if isinstance(slope, nn.Parameter) else nn.Parameter(slope, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slope = self.slope.to(x.dtype)
        if slope.numel() > 1:
            slope = slope.view(-1, *[1] * (x.dim() - 2))
        return torch.where(x >= 0, x, slope * x)


def reals_of(q: QParam) -> torch.Tensor:
    """float64 (256): what each byte stands for as a code; beyond qmax, what qmax does."""
    return (torch.arange(256).clamp(max=q.qmax) - q.zero_point).double() * q.scale


def table_of(reals: torch.Tensor, q: QParam) -> torch.Tensor:
    """uint8 codes of float64 reals, in double (section 4 of docs/numerics.md)."""
    codes = torch.round(reals / q.scale) + q.zero_point  # torch rounds to nearest, ties to even
    return codes.clamp(0, q.qmax).to(torch.uint8)


def _name_of(function: Callable[..., torch.Tensor]) -> str:
    """hardswish of nn.Hardswish(), silu of F.silu."""
    names = {type(make()): name for name, make in FUNCTIONS.items()}
    if isinstance(function, nn.Module):
        return names.get(type(function), type(function).__name__.lower())
    return getattr(function, "__name__", "function").strip("<>")
