"""Networks as users write them: several inputs and outputs, shared modules, control flow."""

import collections
import dataclasses

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """A residual block with one ReLU module for all its activations and a functional shortcut."""

    def __init__(self, channels: int, relu: nn.Module):
        super().__init__()
        self.conv1, self.bn1 = (
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.relu = relu

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x
        return F.relu(y, inplace=True)


class OwnResNet(nn.Module):
    """A user's own: blocks that run twice, functional ReLU, float(), a buffer, an if on the shape."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.ModuleList([Block(8, self.relu), Block(8, self.relu)])
        self.fc = nn.Linear(8, 4)
        self.register_buffer("gain", torch.full((1, 8, 1, 1), 0.5))

    def forward(self, x):
        x = F.relu(self.stem(x.float().contiguous()))
        for block in self.blocks:
            x = block(block(x))
        if x.shape[-1] > 8:
            x = F.max_pool2d(x, 2)
        x = x * self.gain
        return self.fc(x.mean((2, 3)))


class Joined(nn.Module):
    """Two pictures of different sizes, and what becomes of both: `gives` makes the result."""

    def __init__(self, gives):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(1, 4, 3, 2, 1)
        self.fc = nn.Linear(4, 5)
        self.gives = gives

    def forward(self, picture, depth):
        x, y = F.relu(self.a(picture)), F.relu(self.b(depth))
        return self.gives(self, x, y)


class Nested(Joined):
    """The same, of a list of both."""

    def forward(self, features, *, scale=1.0):
        return super().forward(*features)


@dataclasses.dataclass
class Found:
    """A result as libraries give it."""

    scores: torch.Tensor
    features: torch.Tensor | None = None


Named = collections.namedtuple("Named", "scores features")


def small_chain(seed):
    """(3, 8, 8) to 3 numbers: the least that has a convolution, an activation and a linear layer."""
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3)
    return nn.Sequential(*layers).eval()


class OneConv(nn.Module):
    """A convolution and a line of Python around it."""

    def __init__(self, forward):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("gain", torch.tensor([0.5, 0.25]))
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


class Segmenter(nn.Module):
    """A small FCN: the classes of every pixel, at the size of the picture."""

    def __init__(self, argmax=True):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.head, self.argmax = nn.Conv2d(8, 3, 1), argmax

    def forward(self, x):
        y = F.interpolate(self.head(self.body(x)), size=x.shape[-2:], mode="bilinear", align_corners=False)
        found = collections.OrderedDict(out=y.softmax(1).argmax(1) if self.argmax else y)
        return found


class WithNorms(nn.Module):
    """A ConvNeXt-like block: LayerNorm over channels between convolutions."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.up, self.down, self.fc = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.stem(x))
        y = self.norm(x.permute(0, 2, 3, 1))
        y = self.down(F.relu(self.up(y))).permute(0, 3, 1, 2)
        return self.fc((x + y).mean((2, 3)))
