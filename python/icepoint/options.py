"""What icepoint.quantize was asked for besides the recipe: bits, scheme, and how ranges are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .capture import Captured
from .codes import check_num_bits
from .layer_bits import LayerBits
from .modules import QConv2d, QInput, QLinear, QModule
from .observers import Observer, make
from .shared_ranges import sources_of
from .stages import Stage, stages_of
from .weights import check_scheme

#: What the reals of an output are made of; quantize says which layers have accumulators.
OUTPUTS = ("accumulators", "codes")

Bits = int | Mapping[str, int] | None


@dataclass(frozen=True)
class Options:
    """The arguments of icepoint.quantize of the same names; the recipe names an observer where there is none.

    ValueError for what they cannot be.
    """

    num_bits: int = 8
    weights: str = "per_channel"
    weight_bits: Bits = None
    activation_bits: Bits = None
    observer: str | Observer | None = None
    power_of_two: bool = False
    outputs: str = OUTPUTS[0]
    #: That of ranges of fewer than 8 bits; None: as all others.
    few_bits_observer: str | None = None
    #: That of floats that become codes of 8 bits, as pixels do; None: as all others.
    input_observer: str | None = None

    def __post_init__(self) -> None:
        check_num_bits(self.num_bits, "quantize.num_bits")
        check_scheme(self.weights)
        if self.outputs not in OUTPUTS:
            raise ValueError(
                f"quantize.outputs: expected one of {', '.join(OUTPUTS)}, found {self.outputs!r}"
            )
        self._observer()
        self._bits()

    def _bits(self) -> tuple[LayerBits, LayerBits]:
        return (
            LayerBits(self.weight_bits, self.num_bits),
            LayerBits(self.activation_bits, self.num_bits, "quantize.activation_bits", "layer"),
        )

    def _observer(self, num_bits: int = 8, is_input: bool = False) -> Observer:
        own = self.few_bits_observer if num_bits < 8 else self.input_observer if is_input else None
        return make(own or self.observer or "min_max")

    def stages(self, graph: Captured, as_given: bool = False) -> list[Stage]:
        """The stages of integers that a graph becomes.

        `as_given`: it is what the caller named bits of, and ValueError where a name is of no layer. Methods
        may take layers out of it.
        """
        bits = self._bits()
        stages = stages_of(graph, self.weights, *bits)
        if as_given:
            for named in bits:
                named.check_used()
        sources = sources_of(stages)
        outputs = {sources.get(value) for value in graph.outputs}
        for stage in stages:
            if isinstance(stage.layer, QModule):
                is_output, is_input = stage.output in outputs, isinstance(stage.layer, QInput)
                observer = self._observer(stage.layer.num_bits, is_input)
                stage.layer.observe_with(observer.for_outputs() if is_output else observer, self.power_of_two)
                if self.outputs == "accumulators" and _ends_in_accumulators(stage, stages, graph):
                    stage.layer.gives_accumulators = True
        return stages


def _ends_in_accumulators(stage: Stage, stages: Sequence[Stage], graph: Captured) -> bool:
    """Whether the stage's result leaves a network of integers as a convolution or linear layer made it."""
    layer = stage.layer
    accumulates = isinstance(layer, (QConv2d, QLinear)) and layer.activation is None
    # Of an output that is returned twice, the second is a copy of codes.
    once = [graph.outputs[i] for i in graph.order].count(stage.output) == 1
    leaves = once and not any(stage.output in other.inputs for other in stages)
    return accumulates and leaves and not graph.missing
