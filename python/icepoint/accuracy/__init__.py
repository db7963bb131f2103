"""Methods that win accuracy back: pure steps from graph to graph, and the recipes made of them."""

from .adaround import adaround
from .clip_weights import clip_weights
from .correct_bias import correct_bias
from .correct_bias_analytic import correct_bias_analytic
from .equalize import equalize
from .evidence import Evidence
from .fold_batchnorm import fold_batchnorm
from .judge import Judgement, judge
from .merge_means import merge_means
from .recipes import RECIPES, STEPS, GraphStep, Method, Trial
from .reestimate_batchnorm import reestimate_batchnorm
from .round_weights import round_weights
from .smooth import smooth
from .split_channels import split_channels, split_more_channels
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
    "adaround",
    "clip_weights",
    "correct_bias",
    "correct_bias_analytic",
    "equalize",
    "fold_batchnorm",
    "judge",
    "merge_means",
    "reestimate_batchnorm",
    "round_weights",
    "smooth",
    "split_channels",
    "split_more_channels",
    "sweep",
]
