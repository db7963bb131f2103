"""One row of the report for each layer: what it became, and the numbers of its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from ..capture import Captured, Reshape
from ..macs import macs
from ..modules import QConcat, QFunction, QModule, QReLU
from ..modules.clamps import activation_name
from ..modules.weighted import QWeighted
from ..stages import Stage
from .causes import CAUSES, OWN
from .channels import Channels, batchnorms_of, channels_of
from .outputs import Outputs
from .sums import LayerSums, sqnr_db


@dataclass(frozen=True)
class Share:
    """A cause's part of the energies of all causes, 0..1, and the result's energy over its own in dB."""

    share: float
    sqnr_db: float | None


@dataclass(frozen=True)
class Row:
    """One layer. `sqnr_db`: 10 log10 of the float output's energy over its error's, None without error.

    `requantized`: of a concatenation, how many inputs have a scale of their own and do not only move.
    `alone_db`: the same with exact inputs, this layer alone in integers; `output_db`: of the network's
    outputs with this layer alone in integers, None where it makes no error of its own; `output_share`: its
    part of the outputs' error, 0..1, as if the layers' errors added up, None where it was not measured.
    `causes`: what the error is made of.
    `saturated`: share of the results, 0..1, that lay beyond the first or last code; `codes_used`: share of
    the codes that occurred; both None where the layer keeps its input's codes.
    """

    layer: str
    computes: str
    integer: bool
    bits: int | None
    weight_bits: int | None
    weights: str | None
    shape: tuple[int, ...]
    macs: int
    sqnr_db: float | None
    requantized: int = 0
    alone_db: float | None = None
    output_db: float | None = None
    output_share: float | None = None
    causes: dict[str, Share] = field(default_factory=dict)
    saturated: float | None = None
    codes_used: float | None = None
    channels: Channels | None = None

    @property
    def main_cause(self) -> str | None:
        """What most of the layer's own error comes from; None where it makes none."""
        own = {cause: self.causes[cause].share for cause in OWN if cause in self.causes}
        return max(own, key=lambda cause: own[cause]) if own else None


def rows_of(layers: Sequence[LayerSums], outputs: Sequence[Outputs | None], original: Captured) -> list[Row]:
    """The rows, in the network's order; `outputs` with each layer's error alone, where there is one."""
    norms = batchnorms_of(original)
    total = sum(found.noise for found in outputs if found is not None)
    return [
        _row(sums, found, total, norms.get(sums.stage.name))
        for sums, found in zip(layers, outputs, strict=True)
    ]


def _row(sums: LayerSums, effect: Outputs | None, total: float, norm: nn.BatchNorm2d | None) -> Row:
    stage, layer = sums.stage, sums.stage.layer
    weighted = layer if isinstance(layer, QWeighted) else None
    signal = float(sums.signal.sum())
    codes_used = sums.codes_used
    return Row(
        layer=stage.name,
        computes=_computes(stage),
        integer=isinstance(layer, (QModule, Reshape)),
        bits=layer.num_bits if isinstance(layer, QModule) else None,
        weight_bits=weighted.q_weight.num_bits if weighted else None,
        weights=weighted.q_weight.scheme if weighted else None,
        shape=sums.shape,
        macs=macs_of(sums),
        sqnr_db=sums.sqnr_db,
        requantized=layer.requantized if isinstance(layer, QConcat) else 0,
        alone_db=sums.alone_db,
        output_db=effect.sqnr_db if effect else None,
        output_share=effect.noise / total if effect and total else None,
        causes=_shares(sums, signal),
        saturated=None if codes_used is None else sums.saturated_share,
        codes_used=codes_used,
        channels=channels_of(sums, norm),
    )


def _shares(sums: LayerSums, signal: float) -> dict[str, Share]:
    energies = {cause: float(sums.causes[cause].sum()) for cause in CAUSES}
    total = sum(energies.values())
    return {
        cause: Share(energy / total, sqnr_db(signal, energy)) for cause, energy in energies.items() if energy
    }


def _computes(stage: Stage) -> str:
    layer = stage.layer
    name = type(layer).__name__ if isinstance(layer, (QModule, Reshape)) else stage.steps[0].kind
    if getattr(layer, "activation", None) and not isinstance(layer, QReLU):
        name += f" + {activation_name(layer.activation)}"
    if isinstance(layer, QFunction):
        name += f" {layer.name}"
    if isinstance(layer, QConcat) and layer.requantized:
        name += f", {layer.requantized} of {len(layer.q_ins)} inputs requantized"
    return name


def macs_of(sums: LayerSums) -> int:
    """Multiply-accumulates of one image."""
    return macs(sums.stage.steps[0].module, sums.shape) if sums.stage.steps else 0
