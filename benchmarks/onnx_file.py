"""A float network as an ONNX file for any batch, as the peers that read ONNX get it."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn


def export(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Writes the network with input "x" and output "y"; BatchNorm is folded, the batch is left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the older one: the newer needs onnxscript
        torch.onnx.export(
            model,
            (x,),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}},
            opset_version=17,
        )
