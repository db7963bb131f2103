"""Models by name, as a command line gives them: of torchvision, of a file or of a package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from torch import nn

from ..state_dicts import load_state
from ..vision import import_torchvision


def load_model(name: str, weights: Path | None = None) -> nn.Module:
    """The model in eval mode: "torchvision:NAME[:WEIGHTS.pt]", "file.py:function", "package.module:function".

    The function, or class, is called without arguments; a file is run as Python runs a script. `weights`
    is a state_dict, or a dict that has one under "state_dict". ValueError for a name that leads nowhere
    and for what is no nn.Module; OSError and RuntimeError where weights cannot be read or do not fit.

    >>> type(load_model("torch.nn:Identity")).__name__
    'Identity'
    """
    place, colon, rest = name.partition(":")
    if not colon or not rest:
        raise ValueError(f"{name!r}: expected torchvision:NAME, file.py:function or package.module:function")
    if place == "torchvision":
        rest, _, file = rest.partition(":")
        if file and weights is not None:
            raise ValueError(f"{name!r}: the weights are given twice, here and by --weights {weights}")
        weights = Path(file) if file else weights
        model = _torchvision(rest)
    else:
        model = _function(_module(place), rest, name)()
    if not isinstance(model, nn.Module):
        raise ValueError(f"{name!r}: expected an nn.Module, found {type(model).__name__}")
    if weights is not None:
        model.load_state_dict(load_state(weights))
    return model.eval()


def _torchvision(name: str) -> nn.Module:
    models = import_torchvision().models
    if name not in models.list_models(module=models):
        raise ValueError(f"torchvision:{name}: torchvision.models has no such classifier")
    return models.get_model(name, weights=None)


def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ImportError as error:
            raise ValueError(f"{place}: cannot be imported; {error}") from error
    path = Path(place)
    if not path.is_file():
        raise ValueError(f"{place}: there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where pickle and dataclasses look for it
    sys.path.insert(0, str(path.parent))  # as for a script: what lies beside it can be imported
    spec.loader.exec_module(module)
    return module


def _function(module: ModuleType, path: str, name: str) -> Callable[[], object]:
    found: object = module
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"{name!r}: {module.__name__} has no function {path}")
    return found
