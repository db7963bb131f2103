"""The networks that are measured: architecture, seeded weights, images; files of them for all engines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from icepoint import Recipe, data, models
from icepoint.vision import import_torchvision, pixels_to_input, read_image

from .job import CALIBRATION_IMAGES, Job

_REPOSITORY = Path(__file__).resolve().parents[1]
_SEED = 1
_BATCH_NORM_BATCHES = 4
_IMAGENET = Recipe(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])


def float_network(job: Job) -> nn.Module:
    """The float network in eval mode with the prepared weights, the same in every process."""
    with torch.device("meta"):
        model = _architecture(job.network)
    weights = torch.load(job.path("float.pt"), weights_only=True, mmap=True)
    model.load_state_dict(weights, assign=True)
    return model.requires_grad_(False).eval()


def images(name: str, count: int) -> np.ndarray:
    """float32 (count, c, h, w), normalized: digits, or photographs where there are any, else made ones."""
    if name == "mnist":
        digits = data.load("mnist", embedded=True)
        return data.normalize(digits.test_images[:count], "mnist").numpy()
    found = sorted((_REPOSITORY.parent / "shared" / "data" / "photos" / "images").glob("*.jpg"))
    pixels = [_crop(read_image(path)) for path in found[:count]]
    pixels += [_made_image(seed) for seed in range(len(pixels), count)]
    return pixels_to_input(np.stack(pixels), _IMAGENET).numpy()


def prepare(job: Job) -> None:
    """Writes what all engines of this network and batch share into the job's folder; see Job."""
    torch.manual_seed(_SEED)
    model = _architecture(job.network)
    if job.network == "mnist":
        model.load_state_dict(torch.load(_REPOSITORY / "ckpt" / "mnist_cnn.pt", weights_only=True))
    _settle_batch_norm(model)
    model.eval()
    torch.save(model.state_dict(), job.path("float.pt"))
    taken = images(job.network, CALIBRATION_IMAGES + min(job.batch, 64))
    x = np.resize(taken[CALIBRATION_IMAGES:], (job.batch, *taken.shape[1:]))
    example = torch.from_numpy(x)
    np.save(job.path("calibration.npy"), taken[:CALIBRATION_IMAGES])
    np.save(job.path("input.npy"), x)
    with torch.no_grad():
        np.save(job.path("expected.npy"), model(example).numpy())
        job.path("facts.json").write_text(json.dumps({"macs": _macs(model, example[:1])}))
        torch.export.save(torch.export.export(model, (example,)), job.path("float.pt2"))
        torch.onnx.export(
            model,
            (example,),
            str(job.path("float.onnx")),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            opset_version=17,
        )


class _MnistNet(models.Net):
    """Net with flatten in the place of view, which refuses what engines that work in NHWC hand to it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2, 2)  # (n, 40, 13, 13)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2, 2)  # (n, 40, 5, 5)
        return self.fc(torch.flatten(x, 1))


def _architecture(name: str) -> nn.Module:
    return _MnistNet() if name == "mnist" else getattr(import_torchvision().models, name)()


def _settle_batch_norm(model: nn.Module) -> None:
    """Statistics of the images instead of 0 and 1: ranges then look like a trained network's."""
    if not any(isinstance(m, nn.BatchNorm2d) for m in model.modules()):
        return
    batches = torch.from_numpy(images("", CALIBRATION_IMAGES)).chunk(_BATCH_NORM_BATCHES)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over the batches
            module.reset_running_stats()
    model.train()
    with torch.no_grad():
        for batch in batches:
            model(batch)


def _macs(model: nn.Module, x: torch.Tensor) -> int:
    """Multiplications of convolutions and linear layers for one image."""
    total = 0

    def count(module: nn.Module, _: tuple[torch.Tensor, ...], y: torch.Tensor) -> None:
        nonlocal total
        total += y.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    model(x)
    for hook in hooks:
        hook.remove()
    return total


def _crop(pixels: np.ndarray) -> np.ndarray:
    """The centre (224, 224, 3) of RGB pixels (h, w, 3)."""
    top, left = (pixels.shape[0] - 224) // 2, (pixels.shape[1] - 224) // 2
    return pixels[top : top + 224, left : left + 224]


def _made_image(seed: int) -> np.ndarray:
    """(224, 224, 3) uint8: smooth colours, edges and noise, with the spectrum of a photograph roughly."""
    random = np.random.default_rng(seed)
    sizes = (2, 4, 8, 16, 32, 64, 128)
    layers = [
        np.kron(random.normal(size=(size, size, 3)), np.ones((256 // size, 256 // size, 1))) / (i + 1)
        for i, size in enumerate(sizes)
    ]
    x = np.sum(layers, axis=0)[:224, :224]
    return np.clip(128 + 50 * x, 0, 255).astype(np.uint8)
