"""Methods that win accuracy back: pure steps from graph to graph, and the recipes made of them."""

from .correct_bias import correct_bias
from .equalize import equalize
from .evidence import Evidence
from .fold_batchnorm import fold_batchnorm
from .judge import Judgement, judge
from .recipes import RECIPES, STEPS, GraphStep, Method, Trial
from .round_weights import round_weights
from .smooth import smooth
from .sweep import Visit, sweep

__all__ = [
    "RECIPES",
    "STEPS",
    "Evidence",
    "GraphStep",
    "Judgement",
    "Method",
    "Trial",
    "Visit",
    "correct_bias",
    "equalize",
    "fold_batchnorm",
    "judge",
    "round_weights",
    "smooth",
    "sweep",
]
