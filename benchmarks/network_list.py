"""Which networks are measured, at which batch sizes; without torch, for every process may ask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    title: str
    batches: tuple[int, ...]


NETWORKS = {
    "mnist": Network("MNIST Net", (1, 256)),
    "mobilenet_v2": Network("MobileNetV2", (1, 8)),
    "resnet18": Network("ResNet18", (1, 8)),
    "resnet50": Network("ResNet50", (1, 8)),
    "vgg16": Network("VGG16", (1, 8)),
}
