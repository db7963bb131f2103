"""What bits cost on this machine: the prices of a model's layers, measured where they are times."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from ..frozen import FrozenModel
from ..quantized import QuantizedModel
from .costs import BitOperations, Cost, bytes_of_weights, milliseconds_of
from .evaluate import frozen_of
from .items import WEIGHTS, Network
from .state import State

ROUNDS, ROUND_SECONDS = 12, 0.05


def prices_of(
    cost: str, base: QuantizedModel, network: Network, candidates: Mapping[str, Sequence[int]], state: State
) -> Cost:
    """The prices of a kind of COSTS; times go into the state."""
    if cost == "bytes":
        return bytes_of_weights(network, candidates[WEIGHTS])
    if cost == "bit_operations":
        macs = _of_weighted(frozen_of(base), [op["macs"] for op in base.freeze().layers()])
        layers = zip(network.layers, macs, strict=True)
        return BitOperations([(layer.item, layer.reads, count) for layer, count in layers])
    weights = candidates[WEIGHTS]
    told = state.recall(f"times {weights}", lambda: layer_times(base, weights))
    # JSON knows only words as keys.
    return milliseconds_of(network, {int(b): list(times) for b, times in told.items()})


def layer_times(base: QuantizedModel, weights: Sequence[int]) -> dict[int, list[float]]:
    """{bits: least milliseconds of one image in each layer with weights, all of so many bits, falling}.

    The models take turns, so that what slows the machine down slows all. Nobody asks how accurate they
    are: the plain recipe makes them. Bits that some layer has no integers for take as long as the next more.
    """
    models = {weights[0]: frozen_of(base.again(recipe="fast", weight_bits=weights[0]))}
    for b in weights[1:]:
        with contextlib.suppress(ValueError):
            models[b] = frozen_of(base.again(recipe="fast", weight_bits=b))
    least: dict[int, list[float]] = {}
    for _ in range(ROUNDS):
        for b, model in models.items():
            times = _milliseconds(model)
            least[b] = [min(pair) for pair in zip(times, least.get(b, times), strict=True)]
    return {b: least[min(c for c in least if c >= b)] for b in weights}


def _milliseconds(model: FrozenModel) -> list[float]:
    """Of one image in each layer with weights, in order: the mean of a short round."""
    native = model._native()
    repeats = max(3, int(ROUND_SECONDS / max(sum(native.profile(1, 1)), 1e-9)))
    return _of_weighted(model, [1e3 * seconds / repeats for seconds in native.profile(1, repeats)])


def _of_weighted(model: FrozenModel, values: Sequence[float]) -> list[float]:
    """Those of the layers with weights, of values of all layers."""
    return [v for op, v in zip(model.layers(), values, strict=True) if "weight_bits" in op["fields"]]
