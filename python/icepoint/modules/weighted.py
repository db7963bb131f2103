"""What convolution and linear layers share: fake-quantized weights, fused activation, integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..codes import check_num_bits
from ..observers import Observer
from ..tracing import layer_path
from ..tuning import Tuning
from ..weight_integers import integers_of_weights
from ..weights import WeightQParam
from .base import QModule
from .clamps import Activation, activated, activation_range, check_activation
from .folding import check_settled, fold


class QWeighted(QModule):
    """A layer with weights: y = activation(layer(x, weight, bias)), requantized with M = multiplier 2^-shift.

    Subclasses say which float weights there are, output channels first, and how to apply them. The float
    module is read in every step and never written. `folded` are maps gain x + offset a channel behind the
    layer (BatchNorm, constants): they are part of the weight and the bias.
    """

    def __init__(
        self,
        has_qin: bool,
        has_qout: bool,
        num_bits: int,
        weights: str,
        activation: Activation,
        weight_bits: int | None,
        qi: bool | None,
        qo: bool | None,
        folded: Sequence[nn.Module] = (),
    ):
        super().__init__(has_qin, has_qout, num_bits, qi=qi, qo=qo)
        self.folded = nn.ModuleList(folded)
        self.activation = check_activation(activation)
        bits = self.num_bits if weight_bits is None else check_num_bits(weight_bits, "weight_bits")
        self.q_weight = WeightQParam(bits, weights)
        #: What accuracy methods decided about the integers; the float module has none of it.
        self.tuning = Tuning()
        self._gain: torch.Tensor | None = None
        self._keeps_weights = False
        self._kept: tuple[torch.Tensor, torch.Tensor | None] | None = None

    #: Which axis of the result counts the output channels.
    channel_axis = 1
    #: Whether it ends a network whose reals are those of the accumulators: then nothing rounds them to codes.
    gives_accumulators = False

    def bare_weights(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """float32 weight (oc, ...) and bias of the float module itself."""
        raise NotImplementedError

    def maps_behind(self) -> Sequence[nn.Module]:
        """What is folded into the weights."""
        return list(self.folded)

    def float_weights(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """float32 weight and the bias (float32, or float64 where BatchNorm was folded), with gradients."""
        return fold(*self.bare_weights(), self.maps_behind())

    def tuned_weights(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The weight and bias that become integers."""
        return self.tuning.of(*self.float_weights())

    def integer_bias(self, bias: torch.Tensor | None) -> torch.Tensor | None:
        """The bias that becomes integers, of a tuned one: with the dither of copied channels."""
        if self.tuning.dither is None:
            return bias
        shift = self.tuning.dither * self.q_out.scale
        return shift if bias is None else bias.double() + shift

    def compute(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """The layer in float."""
        raise NotImplementedError

    def expected_shape(self, x: torch.Tensor) -> tuple[bool, str]:
        """Whether the layer takes a tensor of this shape, and which ones it takes, in words."""
        raise NotImplementedError

    def _check_shape(self, x: torch.Tensor) -> None:
        fits, expected = self.expected_shape(x)
        if not fits:
            raise ValueError(f"{layer_path(self)}: expected shape {expected}, found {tuple(x.shape)}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """float32 in and out: observes and fake-quantizes the weights; once frozen, simulates x and y too."""
        self._check_shape(x)
        return self.finish(self.begin(self._see_input(x)))

    def begin(self, x: torch.Tensor) -> torch.Tensor:
        """The layer in float with its weights fake-quantized, before its activation."""
        weight, bias = self.fake_weights() if self._kept is None else self._kept
        # The integers stand for float32: autocast would observe another network's ranges.
        with torch.autocast("cpu", enabled=False):
            return self.compute(x, weight, bias)

    def finish(self, y: torch.Tensor) -> torch.Tensor:
        """The activation, and what q_out does in forward."""
        if self.frozen and self.tuning.dither is not None:
            shift = (self.tuning.dither * self.q_out.scale).to(y.dtype)
            y = y + (shift if self.channel_axis == -1 else shift.view(-1, 1, 1))
        y = activated(y, self.activation)
        return y if self.frozen and self.gives_accumulators else self._see_output(y)

    def accumulate(self, codes: torch.Tensor) -> torch.Tensor:
        """int32 accumulators, bias included, of uint8 codes of q_in."""
        raise NotImplementedError

    def reals_inference(self, x: torch.Tensor) -> torch.Tensor:
        """float32 reals of int32 codes of q_in: acc scale_in scale_w[c], multiplied in double."""
        self._require_frozen()
        unit = self.q_in.scale * self.q_weight.known()[0].double()
        unit = unit if self._gain is None else unit * self._gain
        acc = self.accumulate(self._bytes(x, self.q_in))
        return (acc.double() * (unit if self.channel_axis == -1 else unit.view(-1, 1, 1))).float()

    def fake_weights(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The float32 weight, fake-quantized, and the bias."""
        weight, bias = self.tuned_weights()
        scale_in = self.q_in.scale if hasattr(self, "q_in") else None
        if not self.frozen:
            try:
                self.q_weight.update(weight, bias, scale_in, self.tuning)
            except ValueError as error:
                raise ValueError(f"{layer_path(self)}: {error}") from error
        fake = self.q_weight.fake_quantize(weight), None if bias is None else bias.to(weight.dtype)
        if self._keeps_weights and scale_in is None:  # else the next batch may move the scale
            self._kept = fake
        return fake

    def observe_with(self, observer: str | Observer, power_of_two: bool = False) -> None:
        super().observe_with(observer, power_of_two)
        self.q_weight = WeightQParam(self.q_weight.num_bits, self.q_weight.scheme, power_of_two)

    def keep_weights(self, keep: bool) -> None:
        """Whether fake-quantized weights stay from one forward to the next: the float ones are at rest."""
        self._keeps_weights, self._kept = keep, None

    def _make_integers(self) -> dict[str, torch.Tensor]:
        check_settled(self.maps_behind())
        weight, bias = self.tuned_weights()
        self._gain = None
        bias = self.integer_bias(bias)
        return integers_of_weights(weight, bias, self.q_weight, self.q_in, self.q_out, self.tuning)

    def restate(self, gain: torch.Tensor, offset: torch.Tensor) -> None:
        """Fixes the integers of gain y + offset, float64 (oc,), gain > 0, with the weight codes of y itself.

        BatchNorm by the statistics of one batch, while training: it moves multipliers and biases alone.
        """
        weight, bias = self.tuned_weights()
        bias = self.integer_bias((offset if bias is None else gain * bias.double() + offset).detach())
        self._hold(
            lambda: integers_of_weights(weight, bias, self.q_weight, self.q_in, self.q_out, self.tuning, gain)
        )
        self._gain = gain.detach()

    @property
    def M(self) -> torch.Tensor:
        """multiplier * 2^-shift, float64: a scalar per tensor, (oc,) per channel. Known once frozen."""
        self._require_frozen()
        value = torch.ldexp(self.integers["multiplier"].double(), -self.integers["shift"])
        return value if self.q_weight.axis is not None else value.reshape(())

    @property
    def code_range(self) -> tuple[int, int]:
        """lo, hi of the output: its codes, narrowed by the activation."""
        return activation_range(self.activation, self.q_out)

    def _op_weights(self) -> tuple[torch.Tensor | None, ...]:
        """weight, zero point, bias, multiplier, shift for the ops: int8 codes, affine ones moved by -128."""
        if self._prepared is None:
            i, affine = self.integers, self.q_weight.scheme != "per_channel"
            codes = (
                i["codes"].bitwise_xor(128).view(torch.int8) if affine else i["codes"]
            )  # c ^ 128 is c - 128
            zero_point = i["zero_point"] - 128 if affine else i["zero_point"][:1]
            self._prepared = codes, zero_point, i.get("bias"), i["multiplier"], i["shift"]
        return self._prepared

    @property
    def qw(self) -> WeightQParam:
        """The lab's name of q_weight."""
        return self.q_weight

    def get_extra_state(self) -> dict[str, Any]:
        return super().get_extra_state() | {"q_weight": self.q_weight.state(), "tuning": self.tuning.state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.tuning = Tuning(**state["tuning"])
        try:
            self.q_weight.load(state["q_weight"])
        except ValueError as error:
            raise ValueError(f"{layer_path(self)}: {error}") from error
