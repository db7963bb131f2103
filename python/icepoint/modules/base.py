"""QModule: what every quantized layer shares - observers, freezing, the state that travels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .. import _C
from ..codes import check_num_bits
from ..observers import Observer, make
from ..qparams import QParam
from ..tracing import layer_path

if TYPE_CHECKING:
    from ..graph import GraphBuilder

_INTEGER_DTYPES = (torch.uint8, torch.int32, torch.int64, torch.int16, torch.int8)


class QModule(nn.Module):
    """A layer that observes in forward, becomes integers in freeze, and computes with them afterwards.

    `has_qin`, `has_qout` (the lab's `qi`, `qo`) say whether the layer observes its own input and
    output. Most layers take the QParam of the layer before instead: freeze(q_in=before.q_out).
    Attributes `q_in`, `q_out` exist once they are known; `.qi`, `.qo` name the same things.
    """

    #: The output's codes mean what the input's mean (ReLU, max-pooling): there is no q_out.
    keeps_qparams = False

    def __init__(
        self,
        has_qin: bool = True,
        has_qout: bool = True,
        num_bits: int | None = 8,
        *,
        qi: bool | None = None,
        qo: bool | None = None,
    ):
        super().__init__()
        self.has_qin = bool(has_qin if qi is None else qi)
        self.has_qout = bool(has_qout if qo is None else qo)
        unused = num_bits is None and self.keeps_qparams  # the notebook's QReLU(num_bits=None)
        self.num_bits = 8 if unused else check_num_bits(num_bits)
        self.frozen = False
        #: What freeze computed: int32 tensors by name.
        self.integers: dict[str, torch.Tensor] = {}
        self._prepared: Any = None  # the same, as the ops want them: made on first use
        if self.has_qin:
            self.q_in = QParam(self.num_bits)
        if self.has_qout:
            self.q_out = QParam(self.num_bits)

    def observe_with(self, observer: str | Observer, power_of_two: bool = False) -> None:
        """Has the layer's own QParams choose their ranges by this method; they start anew.

        `observer`: as QParam takes it, an Observer as an example of method and parameters. What has a range
        by nature, as a sigmoid's output, keeps it. `power_of_two` holds for all scales, those of weights too.
        ValueError on a frozen layer.

        >>> from icepoint import QReLU
        >>> layer = QReLU(has_qin=True); layer.observe_with("mse"); layer.q_in.observer
        Mse()
        """
        if self.frozen:
            raise ValueError(f"{layer_path(self)}.observe_with: the layer is frozen; thaw() it first")
        for name, own in self.observes.items():
            if own:
                setattr(self, name, QParam(self.num_bits, make(observer), power_of_two))
            elif hasattr(self, name):  # of a known range, such as a sigmoid's
                getattr(self, name).power_of_two = power_of_two

    @property
    def observes(self) -> dict[str, bool]:
        """Which QParams are the layer's own, and see data: "q_in" and "q_out"."""
        return {"q_in": self.has_qin, "q_out": self.has_qout}

    # The notebook's road: forward observes, freeze fixes, quantize_inference computes.

    def freeze(
        self,
        q_in: QParam | None = None,
        q_out: QParam | None = None,
        *,
        qi: QParam | None = None,
        qo: QParam | None = None,
    ) -> None:
        """Fixes the integers from what was observed; moves no observer and no float weight.

        ValueError where a QParam is given that the layer has itself, is needed and missing, or has
        seen no data. Freezing again gives the same integers.
        """
        self._adopt("q_in", q_in if q_in is not None else qi, self.has_qin)
        if not self.keeps_qparams:
            self._adopt("q_out", q_out if q_out is not None else qo, self.has_qout)
        elif q_out is not None or qo is not None:
            raise ValueError(f"{layer_path(self)}.freeze: q_out is the input's and cannot be given.")
        self._fix()

    def _adopt(self, name: str, given: QParam | None, own: bool) -> None:
        if own and given is not None:
            raise ValueError(f"{layer_path(self)}.freeze: {name} has been provided in init function.")
        if not own and given is None and not hasattr(self, name):
            raise ValueError(f"{layer_path(self)}.freeze: {name} is not existed, should be provided.")
        if given is not None:
            if not isinstance(given, QParam):
                raise ValueError(f"{layer_path(self)}.freeze: {name} must be a QParam, found {given!r}")
            setattr(self, name, given)

    def _fix(self) -> None:
        for name, q in self._named_qparams():
            if q.scale is None:
                raise ValueError(f"calibrate first: {layer_path(self)}.{name} has seen no data")
        self._hold(self._make_integers)

    def _hold(self, make: Callable[[], dict[str, torch.Tensor]]) -> None:
        try:
            with _C.FloatEnv():
                self.integers, self._prepared = make(), None
        except ValueError as error:
            raise ValueError(f"{layer_path(self)}: {error}") from error
        self.frozen = True

    def thaw(self) -> None:
        """Undoes freeze: forward observes again, from where it stopped. An adopted q_in is given back."""
        self.frozen, self.integers, self._prepared = False, {}, None
        if not self.has_qin and hasattr(self, "q_in"):
            del self.q_in

    @property
    def q_result(self) -> QParam:
        """What the codes of the layer's result mean."""
        return self.q_in if self.keeps_qparams else self.q_out

    def _named_qparams(self) -> list[tuple[str, QParam]]:
        return [(name, getattr(self, name)) for name in ("q_in", "q_out") if hasattr(self, name)]

    def _make_integers(self) -> dict[str, torch.Tensor]:
        """What freezing computes; every QParam has a scale by now."""
        return {}

    def quantize_inference(self, x: torch.Tensor) -> torch.Tensor:
        """int32 codes in, int32 codes out, with integers alone."""
        raise NotImplementedError("quantize_inference should be implemented.")

    def emit(self, graph: GraphBuilder, name: str, inputs: list[int]) -> int:
        """Adds this layer to a frozen graph and returns its value's number."""
        raise ValueError(f"{layer_path(self)}: this class has no place in a frozen file")

    def construct(self, *xs: torch.Tensor) -> torch.Tensor:
        """The lab's name of forward."""
        return self(*xs)

    # Helpers of the classes below.

    def _see(self, name: str, x: torch.Tensor, own: bool) -> torch.Tensor:
        """Before freezing an own QParam observes x; afterwards it simulates: x leaves fake-quantized."""
        if not own:
            return x
        q: QParam = getattr(self, name)
        try:
            if self.frozen:
                return q.fake_quantize(x)
            q.update(x)
        except ValueError as error:
            raise ValueError(f"{layer_path(self)}.{name}: {error}") from error
        return x

    def _see_input(self, x: torch.Tensor) -> torch.Tensor:
        return self._see("q_in", x, self.has_qin)

    def _see_output(self, y: torch.Tensor) -> torch.Tensor:
        return self._see("q_out", y, self.has_qout)

    def _require_frozen(self) -> None:
        if not self.frozen:
            raise ValueError("freeze first: quantize_inference computes with the integers that freeze fixes")

    def _bytes(self, codes: Any, q: QParam) -> torch.Tensor:
        """int32 codes as the ops' uint8; ValueError for a tensor that holds no codes of `q`."""
        if not isinstance(codes, torch.Tensor) or codes.dtype not in _INTEGER_DTYPES:
            found = codes.dtype if isinstance(codes, torch.Tensor) else type(codes).__name__
            raise ValueError(f"expected int32 codes (q_in.quantize_tensor makes them), found {found}")
        if codes.numel() and (codes.dtype != torch.uint8 or q.num_bits < 8):
            low, high = (int(v) for v in torch.aminmax(codes))
            if low < 0 or high > q.qmax:
                raise ValueError(f"expected codes in 0..{q.qmax}, found {low}..{high}")
        return codes.to(torch.uint8)

    # Names of the lab.

    @property
    def qi(self) -> QParam:
        return self.q_in

    @qi.setter
    def qi(self, q: QParam) -> None:
        self.q_in = q

    @property
    def qo(self) -> QParam:
        return self.q_out

    @qo.setter
    def qo(self, q: QParam) -> None:
        self.q_out = q

    # What a state_dict carries beside the float weights: plain numbers and int32 tensors.

    def get_extra_state(self) -> dict[str, Any]:
        return {
            "num_bits": self.num_bits,
            "has_qin": self.has_qin,
            "has_qout": self.has_qout,
            "qparams": {name: q.state() for name, q in self._named_qparams()},
            "frozen": self.frozen,
            "integers": dict(self.integers),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        if state["num_bits"] != self.num_bits:
            raise ValueError(
                f"{layer_path(self)}: this state has {state['num_bits']} bits and the layer {self.num_bits}: "
                f"call quantize(num_bits={state['num_bits']}) before load_state_dict"
            )
        for own in ("has_qin", "has_qout"):
            if state[own] != getattr(self, own):
                raise ValueError(
                    f"{layer_path(self)}: expected {own}={getattr(self, own)}, found {state[own]}"
                )
        self._load_qparams(state["qparams"])
        self.frozen, self.integers, self._prepared = state["frozen"], dict(state["integers"]), None

    def _load_qparams(self, states: dict[str, Any]) -> None:
        for name in ("q_in", "q_out"):
            if name in states:
                # A new one: layers that share a QParam here need not share it in the state.
                bits = getattr(self, name).num_bits if hasattr(self, name) else states[name]["num_bits"]
                setattr(self, name, QParam(bits).load(states[name]))
            elif hasattr(self, name):  # adopted in an earlier freeze; the state is of before one
                delattr(self, name)

    def extra_repr(self) -> str:
        return f"num_bits={self.num_bits}, frozen={self.frozen}"
