"""QuantizedModel: a captured network of integers, called as the float model is called."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .calibration_data import Batches
from .capture import Captured
from .coverage import Coverage
from .distributed import alone, together, workers
from .frozen import FrozenModel
from .mixed import MixedModel
from .modules import QModule
from .observing import check_same, observe_data
from .parts import Part, freeze_parts, frozen_part
from .plans import Plan, Plans
from .qparams import QParam
from .quantize_inputs import examples_of, examples_of_size
from .recipe import Recipe
from .report import Report
from .report.of_model import report_of
from .shared_ranges import WIDEST, Own, share_ranges
from .stages import Stage, ended, register_layers

if TYPE_CHECKING:
    from .accuracy import Evidence, Method, Trial


class QuantizedModel(nn.Module):
    """A calibrated network of integers: float in, float out, the same numbers as the frozen model.

    It is called as the float model is, and returns what that returns: tuples, lists and dicts around
    float32 tensors, int64 where an output ends in argmax. In eval mode forward computes with the deployed
    integers. In train mode it is the differentiable simulation quantize_forward: weights, inputs and
    outputs fake-quantized in float. The float model's parameters are shared and never written. Heights and
    widths are those of the example, or any others that the network takes.
    """

    def __init__(self, plans: Plans, examples: Sequence[torch.Tensor], recipe: Recipe | None):
        super().__init__()
        self._plans = plans
        self.recipe = recipe
        self._examples = tuple(x.detach() for x in examples)
        self._sample = self._examples
        self._own: list[Own] = []  # what each layer observed itself, before any of it was shared
        self._evidence: Evidence | None = None
        self._method: Method | None = None
        #: What each method of the recipe did.
        self.trials: list[Trial] = []
        register_layers(self, self.stages)

    def made_by(self, evidence: Evidence, method: Method, trials: list[Trial]) -> None:
        """Remembers where the model comes from, so that it can be made again."""
        self._evidence, self._method, self.trials = evidence, method, trials

    def again(self, recipe: Any = None, **options: Any) -> QuantizedModel:
        """The same float model made anew from the calibration images that are held, with other options.

        `recipe` and the options from `num_bits` to `outputs` of icepoint.quantize; what is not given stays.
        What a remedy gains is measured so. ValueError in a copy from a pickle.

        >>> from icepoint import quantize
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
        >>> q = quantize(model, torch.randn(1, 3, 8, 8), [torch.randn(16, 3, 8, 8)])
        >>> q.again(num_bits=4).stages[1].layer.num_bits
        4
        """
        if self._evidence is None or self._method is None:
            raise ValueError("again: a QuantizedModel from a pickle holds no calibration data; quantize anew")
        evidence = self._evidence.with_options(**options)
        with alone():
            return (self._method if recipe is None else self._method.of(recipe)).apply(evidence)

    @property
    def stages(self) -> list[Stage]:
        """What the network became for inputs of the example's size, in order."""
        return self._plans.first.stages

    @property
    def _captured(self) -> Captured:
        return self._plans.first.captured

    @property
    def coverage(self) -> Coverage:
        """Which operators became integer and which did not."""
        return Coverage(self._captured)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The float model's arguments and results."""
        xs = self.inputs_of(args, kwargs)
        return self.quantize_forward(*xs) if self.training else self.quantize_inference(*xs)

    def quantize_forward(self, *xs: torch.Tensor) -> Any:
        """Observes until the integers are fixed, then simulates them in float, with gradients.

        `xs`: the model's inputs, flat, in the order of `example_inputs`.
        """
        plan = self._plans.of(xs)
        outputs = plan.walk(plan.values_of(xs), lambda stage, given: stage.layer(*given))
        ends = zip(outputs, plan.captured.functions, strict=True)
        return self.given([y if f is None else f.in_float(y) for y, f in ends])

    def quantize_inference(self, *xs: torch.Tensor) -> Any:
        """float32 in and out, integers between (and float only where the coverage says so)."""
        plan = self._plans.of(xs)
        values = {v: (x, None) for v, x in plan.values_of(xs).items()}
        outputs = plan.walk(values, lambda stage, given: stage.run(given))
        ends = zip(outputs, plan.captured.functions, strict=True)
        return self.given([ended(*y, f) for y, f in ends])

    def given(self, outputs: Sequence[torch.Tensor]) -> Any:
        """Outputs in the nesting that the float model returns."""
        return self._captured.gives.rebuild([outputs[i] for i in self._captured.order])

    def calibrate(self, calibration_data: Any) -> int:
        """Widens the ranges by more data of any form that `quantize` takes, and fixes the integers anew.

        The same model as if `quantize` had seen all the data at once, in any order, as long as the images
        that its recipe corrects on can be held. Returns the number of batches. Where torch.distributed is
        initialized all its processes call it, as `quantize`. Where it raises, or on Ctrl-C, the model has the
        ranges of what went by, of the last batch perhaps in its first layers alone, and the corrections of
        before. The next call counts those batches too, or, with a recipe that corrects, leaves them out.

        >>> from icepoint import quantize
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
        >>> q = quantize(model, torch.randn(1, 3, 8, 8), [torch.randn(16, 3, 8, 8)])
        >>> q.calibrate([torch.randn(16, 3, 8, 8)])
        1
        """
        self._restore()
        self._plans.forget()
        for stage in self.stages:
            if isinstance(stage.layer, QModule):
                stage.layer.thaw()
        with together():
            try:
                batches = self._observe(calibration_data)
            finally:
                self.fix()
            if self._evidence is not None and self._method is not None and self._method.steps:
                made = self._method.apply(self._evidence.with_more(batches, calibration_data))
                self.__dict__.update(made.train(self.training).__dict__)
            check_same(self.stages)
        return batches.count

    def _observe(self, calibration_data: Any) -> Batches:
        batches = Batches(
            calibration_data, self._examples, self.recipe, self._captured.inputs, self._plans.of, workers()
        )
        observe_data(self, self.stages, batches)
        if batches.sample is not None:
            self._sample = batches.sample
        return batches

    def fix(self, widest: float = WIDEST) -> None:
        """Fixes every layer's integers; called once the observers have seen the data.

        `widest` >= 1: a range that concatenated values share is at most so many times a member's own
        (shared_ranges); 0 shares nothing.
        """
        self._restore()
        self._plans.forget()
        self._own = share_ranges(self.stages, self._captured.outputs, widest)
        self._plans.first.qparams(fix=True)

    def inputs_of(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[torch.Tensor]:
        """The input tensors in the float model's arguments, flat."""
        return self._captured.takes.leaves((args, kwargs))

    def plan_of(self, xs: Sequence[torch.Tensor]) -> Plan:
        """The plan for inputs of these sizes."""
        return self._plans.of(xs)

    def refix(self) -> None:
        """Makes every layer's integers anew by the ranges and weights that the layers have now."""
        self._plans.forget()
        self._plans.first.qparams(fix=True)

    def _restore(self) -> None:
        for own in self._own:
            own.restore()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_evidence": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> QuantizedModel:
        made = object.__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def get_extra_state(self) -> dict[str, Any]:
        return {"observed": [own.q.state() for own in self._own]}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self._plans.forget()
        for own, observed in zip(self._own, state["observed"], strict=True):
            own.q = QParam(own.q.num_bits).load(observed)

    def freeze(
        self, strict: bool = True, example_inputs: Any = None, height: int | None = None,
        width: int | None = None,
    ) -> FrozenModel | MixedModel:  # fmt: skip
        """The frozen model: one file, all integers; inputs and outputs are flat, in the float model's order.

        A file is for one size, by default the example's; `example_inputs`, as `quantize` takes them, or
        `height` and `width` of all images fix another one. ValueError where the network does not take it.
        Where operators stay float: ValueError with the whole list, or, with strict=False, a MixedModel,
        for Python only, whose integer parts are frozen and whose float parts compute in float.
        """
        if example_inputs is None:
            examples = examples_of_size(self._examples, height, width)
        else:
            args, kwargs, _ = examples_of(example_inputs, "freeze")
            examples = self._captured.takes.leaves((args, kwargs))
        plan = self._plans.of(examples)
        if not plan.captured.missing:
            functions = [plan.captured.functions[i] for i in plan.captured.order]
            return frozen_part(Part.whole(plan), examples, functions, self.recipe)
        if strict:
            raise ValueError(self.coverage.refusal("freeze: these operators would stay float"))
        shapes = [x.shape for x in examples]
        return MixedModel(freeze_parts(plan, examples), plan.captured, shapes)

    def report(self, data: Any = None, remedies: bool | float = True) -> Report:
        """What became integer, what each layer's error is and comes from, and what would help; prints it.

        On up to 32 calibration images, or on the first 128 of `data`, of any form that `quantize` takes: what
        calibration did not cover shows there. `remedies`: where outputs suffer, other options of `quantize`
        are tried for about ten seconds, or for so many; False tries none. docs/report.md has the formulas.

        >>> from icepoint import quantize
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
        >>> q = quantize(model, torch.randn(1, 3, 8, 8), [torch.randn(16, 3, 8, 8)])
        >>> q.measure(data=torch.randn(8, 3, 8, 8)).images
        8
        """
        report = self.measure(data, remedies)
        report.show()
        return report

    def measure(self, data: Any = None, remedies: bool | float = True) -> Report:
        """What report() prints."""
        return report_of(self, data, remedies)
