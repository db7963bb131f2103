"""icepoint.search: bits for each layer that keep a metric within a budget for the least bytes or time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from .. import get_num_threads, isa
from ..accuracy import Method
from ..codes import check_num_bits
from ..progress import progress_bar
from ..quantize import quantize
from ..quantize_inputs import check_model, examples_of
from ..quantized import QuantizedModel
from .costs import COSTS
from .evaluate import Evaluator, frozen_of
from .items import ACTIVATIONS, WEIGHTS, network_of, uniform
from .metric import Budget, Function, Metric
from .plan import Clock, SearchPlan
from .prices import prices_of
from .result import SearchResult
from .run import Run
from .samples import Samples
from .state import State, model_digest


def search(
    model: nn.Module,
    data: Any,
    metric: str | Function = "top1",
    max_drop: float = 0.005,
    *,
    example_inputs: Any = None,
    calibration_data: Any = None,
    cost: str = "bytes",
    minutes: float | None = None,
    evaluations: int = 60,
    recipe: Any = "accurate",
    weight_bits: Iterable[int] = range(2, 9),
    activation_bits: Iterable[int] = range(4, 9),
    state: Any = None,
    planned: Callable[[SearchPlan], Any] | None = None,
    **options: Any,
) -> SearchResult:
    """Bits for each layer of a float model that keep a metric, for the least bytes or milliseconds here.

    `model` as icepoint.quantize takes it. `data`: batches (x, label), as a DataLoader gives them, or all
    of it as (x, labels); x alone for metric="agreement". It is read once and held. Without
    `calibration_data` (as for quantize) every fifth image, from the first on, calibrates and the others
    judge: no image does both.
    `metric`: "top1", "agreement" (answers as float gives them) or a function of (predict, batches) that
    gives a number, greater is better; predict is called as the model is. `max_drop` is how far it may lie
    below float's, absolute: 0.005 of 800 images are four.
    `cost`: "bytes" of the file, "milliseconds" of an image on this machine, or "bit_operations" (MACs x
    bits x bits), which is counted and not measured. Bits that save none of it are not tried.
    `weight_bits`, `activation_bits`: those to choose from. `recipe` and `options` (weights, observer,
    input_recipe...) go to quantize for every model that is tried.
    `minutes` and `evaluations` bound the search; when they are used up, and on Ctrl-C, the best so far is
    returned. `state`: a JSON file that remembers what was measured; a search with the same model and data
    goes on there, whatever its max_drop, cost and minutes, and ends as if it had never been stopped.
    `planned` gets the SearchPlan before the search begins, and stops it by returning False.
    ValueError where model, data or options do not fit, before anything is searched. docs/search.md tells
    how it searches.

    >>> import torch, icepoint
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    >>> found = icepoint.search(model, torch.randn(40, 1, 8, 8), metric="agreement", max_drop=0.1)
    >>> found.met, sorted(found.weight_bits), sorted(found.activation_bits)
    (True, ['0', '3'], ['0', 'input'])
    """
    clock = Clock(minutes)
    candidates = {
        WEIGHTS: _candidates(weight_bits, "weight_bits"),
        ACTIVATIONS: _candidates(activation_bits, "activation_bits"),
    }
    if cost not in COSTS:
        raise ValueError(f"search.cost: expected one of {', '.join(COSTS)}, found {cost!r}")
    if not isinstance(evaluations, int) or evaluations < 1:
        raise ValueError(f"search.evaluations: expected a whole number from 1 on, found {evaluations!r}")
    check_model(model, "search")
    inputs = 1 if example_inputs is None else len(examples_of(example_inputs, "search")[2])
    samples = Samples.of(data, inputs)
    parted = calibration_data is None
    judging = samples
    if parted:
        calibrating, judging = samples.parted()
        calibration_data = calibrating.batches()
    if not len(judging):
        raise ValueError("search.data: found one image; expected some to calibrate and others to judge")
    budget = Budget(max_drop, scored := Metric(metric, judging, model))
    start = clock.spent
    base = quantize(
        model, tuple(x[:1] for x in samples.images) if example_inputs is None else example_inputs,
        calibration_data, recipe=recipe, weight_bits=candidates[WEIGHTS][0],
        activation_bits=candidates[ACTIVATIONS][0], **options,
    )  # fmt: skip
    seconds = clock.spent - start
    network = network_of(base)
    top = uniform(network.items, candidates[WEIGHTS][0], candidates[ACTIVATIONS][0])
    told = {name: value for name, value in options.items() if name != "input_recipe"}
    known = State(state, _identity(model, judging, base, scored.name, f"{Method.of(recipe).name} {told}"))
    with progress_bar("searching bits", evaluations) as advance:
        prices = prices_of(cost, base, network, candidates, known)
        evaluator = Evaluator(base, top, scored, known, clock, prices, advance, evaluations, seconds)
        run = Run(evaluator, network, candidates, cost, budget)
        return run(minutes, parted, planned)


def _candidates(given: Iterable[int], name: str) -> list[int]:
    """Falling, each once."""
    found = sorted({check_num_bits(b, f"search.{name}") for b in given}, reverse=True)
    if not found:
        raise ValueError(f"search.{name}: expected at least one number of bits, found none")
    return found


def _identity(
    model: nn.Module, judging: Samples, base: QuantizedModel, metric: str, options: str
) -> dict[str, str]:
    """What measurements are about."""
    assert base._evidence is not None
    return {
        "model": model_digest(model),
        "data": judging.digest(),
        "calibration data": Samples(base._evidence.images, None).digest(),
        "metric": metric,
        # Whatever else makes the integers what they are: data that are not held, the most bits, a release.
        "quantized model": frozen_of(base).digest,
        "recipe": options,
        "machine": f"{isa()} kernels, {get_num_threads()} threads",
    }
