"""QAdd, QMul and QConcat: layers with several inputs, each with qparams of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .. import _C
from ..graph import GraphBuilder
from ..qparams import QParam
from ..tracing import layer_path, traced
from .base import QModule
from .clamps import Activation, activated, activation_range, check_activation


class _QJoin(QModule):
    """A layer of several inputs: freeze(q_in=[...]) or freeze(q_in1, q_in2) names their QParams in order.

    They never observe their inputs: every input is the output of a layer that did. `q_ins` holds
    them once frozen.
    """

    def __init__(self, has_qout: bool = True, num_bits: int = 8, *, qo: bool | None = None):
        super().__init__(False, has_qout, num_bits, qo=qo)
        self.q_ins: list[QParam] = []

    def freeze(
        self,
        *q_ins: QParam | Sequence[QParam],
        q_in: Sequence[QParam] | None = None,
        q_in1: QParam | None = None,
        q_in2: QParam | None = None,
        q_out: QParam | None = None,
        qi: Sequence[QParam] | None = None,
        qo: QParam | None = None,
    ) -> None:
        """Fixes the integers; ValueError as QModule.freeze, and for a wrong number of inputs."""
        given: list[Any] = [q for q in (*q_ins, q_in1, q_in2, q_in, qi) if q is not None]
        if len(given) == 1 and isinstance(given[0], (list, tuple)):
            given = list(given[0])
        given = given or self.q_ins
        if not given:
            raise ValueError(f"{layer_path(self)}.freeze: q_in is not existed, should be provided.")
        if not all(isinstance(q, QParam) for q in given):
            raise ValueError(f"{layer_path(self)}.freeze: q_in must be QParams, found {given!r}")
        self._check_count(len(given), "QParams of inputs", f"{layer_path(self)}.freeze: ")
        self._adopt("q_out", q_out if q_out is not None else qo, self.has_qout)
        self.q_ins = given
        self._fix()

    def thaw(self) -> None:
        super().thaw()
        self.q_ins = []

    def _check_count(self, count: int, what: str, who: str = "") -> None:
        if count != 2:
            raise ValueError(f"{who}expected 2 {what}, found {count}")

    def _named_qparams(self) -> list[tuple[str, QParam]]:
        inputs = [(f"q_in{i + 1}", q) for i, q in enumerate(self.q_ins)]
        return inputs + ([("q_out", self.q_out)] if hasattr(self, "q_out") else [])

    def _load_qparams(self, states: dict[str, Any]) -> None:
        super()._load_qparams({name: s for name, s in states.items() if name == "q_out"})
        names = [name for name in states if name != "q_out"]
        self.q_ins = [QParam(states[name]["num_bits"]).load(states[name]) for name in names]

    def _all_bytes(self, xs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        self._require_frozen()
        self._check_count(len(xs), "inputs")
        return [self._bytes(x, q) for x, q in zip(xs, self.q_ins, strict=True)]


def _spread_first(shape_a: Sequence[int], shape_b: Sequence[int]) -> bool:
    """Whether a is the (c, 1, 1) that spreads over b: the ops take it second."""
    a, b = list(shape_a)[-2:], list(shape_b)[-2:]
    return len(shape_a) == len(shape_b) >= 3 and a == [1, 1] and b != [1, 1]


class QAdd(_QJoin):
    """a + alpha b, requantized to q_out; one of them may be (n, c, 1, 1) over (n, c, h, w).

    alpha=-1 subtracts. With activation="relu", "relu6" or the ends (low, high) of a clamp q_out observes
    behind the activation: no code is spent on what it removes.
    """

    def __init__(
        self,
        has_qout: bool = True,
        num_bits: int = 8,
        activation: Activation = None,
        *,
        alpha: float = 1.0,
        qo: bool | None = None,
    ):
        super().__init__(has_qout, num_bits, qo=qo)
        self.activation, self.alpha = check_activation(activation), float(alpha)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self._see_output(activated(torch.add(a, b, alpha=self.alpha), self.activation))

    def _make_integers(self) -> dict[str, torch.Tensor]:
        a, b = (q.scale / self.q_out.scale for q in self.q_ins)
        values = _C.quantize_add(a, b * self.alpha)
        names = ("a_multiplier", "b_multiplier", "shift")
        return {n: torch.tensor(v, dtype=torch.int32) for n, v in zip(names, values, strict=True)}

    def _order(self, shape_a: Sequence[int], shape_b: Sequence[int]) -> tuple[list[int], list[int]]:
        """Positions of the inputs as the op takes them, and their multipliers in this order."""
        order = [1, 0] if _spread_first(shape_a, shape_b) else [0, 1]
        multipliers = [int(self.integers["a_multiplier"]), int(self.integers["b_multiplier"])]
        return order, [multipliers[i] for i in order]

    @traced
    def quantize_inference(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """int32 codes of both inputs to int32 codes of q_out."""
        codes = self._all_bytes((a, b))
        (i, j), (first, second) = self._order(a.shape, b.shape)
        low, high = activation_range(self.activation, self.q_out)
        y = torch.ops.icepoint.qadd(
            codes[i], self.q_ins[i].zero_point, first, codes[j], self.q_ins[j].zero_point, second,
            int(self.integers["shift"]), self.q_out.zero_point, low, high,
        )  # fmt: skip
        return y.to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        order, (first, second) = self._order(*(graph.values[i].shape for i in inputs))
        fields = {"a_multiplier": first, "b_multiplier": second, "shift": int(self.integers["shift"])}
        low, high = activation_range(self.activation, self.q_out)
        fields |= {"lo": low, "hi": high}
        return graph.add("qadd", name, [inputs[i] for i in order], fields, q=self.q_out)


class QSub(QAdd):
    """a - b, requantized to q_out; one of them may be (n, c, 1, 1) over (n, c, h, w)."""

    def __init__(
        self,
        has_qout: bool = True,
        num_bits: int = 8,
        activation: Activation = None,
        *,
        qo: bool | None = None,
    ):
        super().__init__(has_qout, num_bits, activation, alpha=-1.0, qo=qo)


class QMul(_QJoin):
    """a * b, requantized to q_out; one of them may be (n, c, 1, 1) over (n, c, h, w): a gate."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self._see_output(a * b)

    def _make_integers(self) -> dict[str, torch.Tensor]:
        a, b = self.q_ins
        values = _C.quantize_multiplier(a.scale * b.scale / self.q_out.scale)
        return {
            n: torch.tensor(v, dtype=torch.int32)
            for n, v in zip(("multiplier", "shift"), values, strict=True)
        }

    @traced
    def quantize_inference(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """int32 codes of both inputs to int32 codes of q_out."""
        codes = self._all_bytes((a, b))
        i, j = (1, 0) if _spread_first(a.shape, b.shape) else (0, 1)
        y = torch.ops.icepoint.qmul(
            codes[i], self.q_ins[i].zero_point, codes[j], self.q_ins[j].zero_point,
            int(self.integers["multiplier"]), int(self.integers["shift"]),
            self.q_out.zero_point, 0, self.q_out.qmax,
        )  # fmt: skip
        return y.to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        a, b = inputs
        order = [b, a] if _spread_first(graph.values[a].shape, graph.values[b].shape) else [a, b]
        fields = {n: int(v) for n, v in self.integers.items()} | {"lo": 0, "hi": self.q_out.qmax}
        return graph.add("qmul", name, order, fields, q=self.q_out)


class QConcat(_QJoin):
    """Concatenation of any number of inputs along torch's `axis` (1: channels), requantized to q_out."""

    def __init__(self, axis: int = 1, has_qout: bool = True, num_bits: int = 8, *, qo: bool | None = None):
        super().__init__(has_qout, num_bits, qo=qo)
        if not isinstance(axis, int) or isinstance(axis, bool) or axis == 0:
            raise ValueError(f"QConcat.axis: expected a dimension behind the batch, found {axis!r}")
        self.axis = axis

    def _check_count(self, count: int, what: str, who: str = "") -> None:
        expected = len(self.q_ins) or count
        if count != expected or count < 1:
            raise ValueError(f"{who}expected {expected} {what}, found {count}")

    @property
    def requantized(self) -> int:
        """How many inputs mean something else by a code than the result: known once frozen."""
        return sum(not q.same_as(self.q_out) for q in self.q_ins)

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """Tensors one by one, or one list of them, as torch.cat takes them."""
        return self._see_output(torch.cat(_listed(xs), self.axis))

    def _make_integers(self) -> dict[str, torch.Tensor]:
        pairs = [_C.quantize_multiplier(q.scale / self.q_out.scale) for q in self.q_ins]
        columns = zip(*pairs, strict=True)
        return {
            n: torch.tensor(v, dtype=torch.int32)
            for n, v in zip(("multiplier", "shift"), columns, strict=True)
        }

    @traced
    def quantize_inference(self, *xs: torch.Tensor) -> torch.Tensor:
        """int32 codes of every input to int32 codes of q_out."""
        codes = self._all_bytes(_listed(xs))
        y = torch.ops.icepoint.qconcat(
            codes, [q.zero_point for q in self.q_ins], self.integers["multiplier"], self.integers["shift"],
            self.q_out.zero_point, 0, self.q_out.qmax, self.axis,
        )  # fmt: skip
        return y.to(torch.int32)

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        rank = len(graph.values[inputs[0]].shape) + 1
        fields = {"axis": self.axis % rank - 1, "lo": 0, "hi": self.q_out.qmax}
        return graph.add("qconcat", name, inputs, fields, self.integers, self.q_out)


def _listed(xs: Sequence[Any]) -> list[torch.Tensor]:
    return list(xs[0]) if len(xs) == 1 and isinstance(xs[0], (list, tuple)) else list(xs)
