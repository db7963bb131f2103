"""From a trained torch model to the graph of float modules that it computes."""

from .alike import alike
from .calls import FloatCall
from .carried import carried
from .endings import Ending
from .operators import Add, Concat, Mul, Reshape
from .sizes import Sizes
from .source import Source, capture
from .steps import Captured, Missing, Step
from .structure import Structure

__all__ = [
    "Add",
    "Captured",
    "Concat",
    "Ending",
    "FloatCall",
    "Missing",
    "Mul",
    "Reshape",
    "Sizes",
    "Source",
    "Step",
    "Structure",
    "alike",
    "capture",
    "carried",
]
