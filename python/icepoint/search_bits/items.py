"""What is searched: the weights and the results of each layer, by name, and how many bits each has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..modules.weighted import QWeighted
from ..stages import Stage, own_qparam

if TYPE_CHECKING:
    from ..quantized import QuantizedModel

WEIGHTS, ACTIVATIONS = "weights", "activations"


@dataclass(frozen=True, order=True)
class Item:
    """The weights, or the results, of the layers of one name: what weight_bits or activation_bits sets."""

    kind: str
    name: str


Bits = dict[Item, int]


def named(bits: Mapping[Item, int], kind: str) -> dict[str, int]:
    """{layer name: bits} of one kind, as icepoint.quantize takes it."""
    return {item.name: b for item, b in bits.items() if item.kind == kind}


@dataclass(frozen=True)
class Layer:
    """One layer with weights: `rows` of `row` codes each, and whose results it computes with."""

    item: Item
    reads: Item | None
    rows: int
    row: int


@dataclass(frozen=True)
class Network:
    """The items of a quantized model in the order in which the layers run, and its layers with weights."""

    items: list[Item]
    layers: list[Layer]

    def of_kind(self, kind: str) -> list[Item]:
        return [item for item in self.items if item.kind == kind]


def items_of(stage: Stage) -> list[Item]:
    """What of a stage has bits of its own; a module that runs several times has one name for all runs."""
    name = stage.steps[0].name if stage.steps else stage.name
    found = [Item(WEIGHTS, name)] if isinstance(stage.layer, QWeighted) else []
    # Nobody computes with the codes of an output that gives its accumulators.
    rounds = own_qparam(stage.layer) is not None and not stage.gives_accumulators
    return found + ([Item(ACTIVATIONS, name)] if rounds else [])


def network_of(q: QuantizedModel) -> Network:
    """What can be searched in a model whose integers are fixed.

    A recipe may have added layers: quantize knows no names of theirs.
    """
    assert q._evidence is not None
    given = q._evidence.options.stages(q._evidence.original)
    known = {item for stage in given for item in items_of(stage)}
    items: dict[Item, None] = {}
    layers = []
    sources: dict[int, Item] = {}  # a value -> the results whose codes it holds, moved perhaps
    for stage in q.stages:
        mine = [item for item in items_of(stage) if item in known]
        items |= dict.fromkeys(mine)
        for item in mine:
            if item.kind == WEIGHTS:
                codes = stage.layer.integers["codes"]
                layers.append(Layer(item, sources.get(stage.inputs[0]), len(codes), codes[0].numel()))
            else:
                sources[stage.output] = item
        if stage.output not in sources and stage.inputs and stage.inputs[0] in sources:
            sources[stage.output] = sources[stage.inputs[0]]
    return Network(list(items), layers)


def uniform(items: Iterable[Item], weights: int, activations: int) -> Bits:
    """The same bits for all weights, and for all results."""
    return {item: weights if item.kind == WEIGHTS else activations for item in items}
