"""From captured float steps to stages of integers: what fuses, and where float becomes codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from .capture import Captured, Ending, Reshape, Step
from .layer_bits import LayerBits
from .layers import WEIGHTED, Options, is_integer, layer_of
from .modules import QInput, QModule
from .modules.weighted import QWeighted
from .qparams import QParam

Value = tuple[torch.Tensor, QParam | None]  # codes and what they mean, or floats and None


@dataclass
class Stage:
    """What one or several steps became: `layer` is a QModule, a Reshape, or a float module left over.

    `inputs` and `output` are numbers of values; `frees` are those that no later stage reads. The QInput
    of a float value has no steps, and its output a number of its own.
    """

    name: str
    layer: nn.Module
    steps: list[Step]
    inputs: list[int]
    output: int
    frees: list[int] = field(default_factory=list)

    @property
    def gives_accumulators(self) -> bool:
        """Whether its result is an output whose reals are those of the accumulators."""
        return isinstance(self.layer, QWeighted) and self.layer.gives_accumulators

    def run(self, values: Sequence[Value]) -> Value:
        """The stage in quantize_inference; dequantizes for a layer that stays float."""
        if self.gives_accumulators:
            return self.layer.reals_inference(values[0][0]), None
        return self.run_codes(values)

    def run_codes(self, values: Sequence[Value]) -> Value:
        """The same, with codes for accumulators."""
        layer = self.layer
        if isinstance(layer, QModule):
            y = layer.quantize_inference(*(x for x, _ in values))
            return y, layer.q_result
        if isinstance(layer, Reshape):
            return layer(values[0][0]), values[0][1]
        return layer(*(real(*value) for value in values)), None


def real(x: torch.Tensor, q: QParam | None) -> torch.Tensor:
    """The float tensor that a value stands for."""
    return x if q is None else q.dequantize_tensor(x)


def ended(x: torch.Tensor, q: QParam | None, function: Ending | None) -> torch.Tensor:
    """An output: the float tensor of a value, behind the function that ends the network there."""
    return real(x, q) if function is None else function.of_reals(real(x, q))


def in_float(stage: Stage, xs: Sequence[torch.Tensor]) -> torch.Tensor:
    """The stage's steps in float, as the captured network computes them; a QInput has none."""
    for step in stage.steps:  # only the first one may take several
        xs = [step.module(*xs)]
    return xs[0]


def own_qparam(layer: nn.Module) -> str | None:
    """The attribute that holds a layer's own QParam; None where it keeps its input's, or is float."""
    if isinstance(layer, QInput):
        return "q_in"
    return "q_out" if isinstance(layer, QModule) and not layer.keeps_qparams else None


def register_layers(module: nn.Module, stages: Sequence[Stage]) -> None:
    """Makes the stages' layers children of `module`, by their names, which it may have for itself."""
    for i, stage in enumerate(stages):
        name = stage.name.replace(".", "_")
        module.add_module(f"{name}_{i}" if hasattr(module, name) else name, stage.layer)


def stages_of(
    captured: Captured, weights: str, weight_bits: LayerBits, activation_bits: LayerBits
) -> list[Stage]:
    """Every step in one stage: BatchNorm folds into the convolution before it, ReLU into what computes."""
    return _Builder(captured, weights, weight_bits, activation_bits).build()


class _Builder:
    def __init__(self, captured: Captured, weights: str, weight_bits: LayerBits, activation_bits: LayerBits):
        self.captured, self.weights = captured, weights
        self.weight_bits, self.activation_bits = weight_bits, activation_bits
        self.readers = captured.readers()
        self.stages: list[Stage] = []
        self.codes: dict[int, int] = {}  # a value -> the number of its codes: its own, or that of its QInput

    def build(self) -> list[Stage]:
        taken: set[int] = set()
        for step in self.captured.steps:
            if step.output in taken:
                continue
            if self._is_integer(step):
                inputs = [self._codes(value) for value in step.inputs]
                layer, steps = self._layer(step)
                self.codes[steps[-1].output] = steps[-1].output
                taken.update(s.output for s in steps)
            else:
                inputs, layer, steps = step.inputs, step.module, [step]
            self._append(step.name, layer, steps, inputs, steps[-1].output)
        self._mark_last_reads()
        return self.stages

    def _is_integer(self, step: Step) -> bool:
        return is_integer(step.module) or (isinstance(step.module, Reshape) and self._moves_codes(step))

    def _moves_codes(self, step: Step) -> bool:
        """Whether a reshape is of codes, or of a float value that becomes codes sooner or later."""
        value, readers = step.inputs[0], self.readers[step.output]
        if value in self.codes or (value < len(self.captured.inputs) and None in readers):
            return True
        return any(reader is not None and self._is_integer(reader) for reader in readers)

    def _codes(self, value: int) -> int:
        """The number of a value's codes; quantizes a float value where it is first read."""
        if value not in self.codes:
            names = dict(enumerate(self.captured.inputs)) | {
                s.output: f"{s.name}.codes" for s in self.captured.steps
            }
            self.codes[value] = -1 - value  # no step has it
            bits = self.activation_bits.of(names[value])
            self._append(names[value], QInput(bits), [], [value], self.codes[value])
        return self.codes[value]

    def _layer(self, step: Step) -> tuple[nn.Module, list[Step]]:
        """The layer of a step and of the steps behind it that it swallows."""
        if isinstance(step.module, Reshape):
            return step.module, [step]
        options: Options = {"num_bits": self.activation_bits.of(step.name)}
        if isinstance(step.module, WEIGHTED):
            options |= {"weights": self.weights, "weight_bits": self.weight_bits.of(step.name)}
        return layer_of(step, self.captured.only_reader(self.readers), options)

    def _append(
        self, name: str, layer: nn.Module, steps: list[Step], inputs: Sequence[int], output: int
    ) -> None:
        names = {stage.name for stage in self.stages}
        if name in names:  # a module or a line that runs several times
            name = next(f"{name}_{k}" for k in range(2, len(names) + 3) if f"{name}_{k}" not in names)
        self.stages.append(Stage(name, layer, steps, list(inputs), output))

    def _mark_last_reads(self) -> None:
        seen = set(self.captured.outputs)
        for stage in reversed(self.stages):
            stage.frees = sorted(set(stage.inputs) - seen)
            seen.update(stage.inputs)
