"""Changes of a captured graph, carried over to the same network for inputs of another size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .steps import Captured, Step


def carried(changed: Captured, original: Captured, other: Captured) -> Captured:
    """What made `changed` out of `original`, done to `other`.

    Steps that were taken out, put in, or given another module or tuning are so in the result; all others
    keep the module of `other`, whose constants may follow the size. `original` and `other` must be step by
    step the same network (differs).
    """
    if changed is original:
        return other
    assert differs(original, other) is None
    same = dict(zip(_values(original), _values(other), strict=True))  # a value of `original` -> of `other`
    before = {step.output: (step, twin) for step, twin in zip(original.steps, other.steps, strict=True)}
    count = 1 + max([*same.values(), *other.sizes.expressions])
    steps: list[Step] = []
    for step in changed.steps:
        mine, twin = before.get(step.output, (None, None))
        if step.output not in same:
            same[step.output], count = count, count + 1
        kept = mine is not None and twin is not None and step.module is mine.module
        module = twin.module if kept else step.module
        inputs = [same[v] for v in step.inputs]
        steps.append(replace(step, module=module, inputs=inputs, output=same[step.output]))
    return replace(other, steps=steps, outputs=[same[v] for v in changed.outputs])


def differs(a: Captured, b: Captured) -> str | None:
    """The first step in which two graphs are different networks; None where they are one."""
    return first_difference(_described(a), _described(b))


def first_difference(found: Sequence[tuple[str, Any]], known: Sequence[tuple[str, Any]]) -> str | None:
    """The name in the first pair (name, kind) in which two lists differ; None where they are equal."""
    pairs = zip([*found, None], [*known, None], strict=False)
    return next(((a or b)[0] for a, b in pairs if a != b and (a or b)), None)


def _described(graph: Captured) -> list[tuple[str, Any]]:
    sizes = ("the sizes that it reads", len(graph.sizes.expressions))
    return [*((step.name, step.kind) for step in graph.steps), sizes]


def _values(graph: Captured) -> list[int]:
    """Inputs, sizes and results, in an order that equal networks share."""
    return [*range(len(graph.inputs)), *sorted(graph.sizes.expressions), *(s.output for s in graph.steps)]
