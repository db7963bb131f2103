"""Small networks for training tests, one for each kind of layer that behaves in its own way there."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """A residual block, depthwise inside, as mobile networks have them."""

    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = (
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.BatchNorm2d(channels),
        )
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu6(self.bn2(self.conv2(F.relu6(self.bn1(self.conv1(x))))) + x)


class Joined(nn.Module):
    """Two branches of one range, a gate, and a BatchNorm that nothing can fold."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1)
        self.gate, self.norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)

    def forward(self, x):
        y = torch.cat([F.relu(self.a(x)), F.relu(self.b(x))], 1)
        y = y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        return F.relu(self.norm(y))


class Sequence(nn.Module):
    """One-dimensional, with a linear layer, BatchNorm1d and a softmax at its end."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv1d(3, 6, 3, padding=1), nn.BatchNorm1d(6)
        self.fc1, self.bn1, self.fc2 = nn.Linear(6 * 8, 10), nn.BatchNorm1d(10), nn.Linear(10, 4)

    def forward(self, x):
        y = F.gelu(self.bn(self.conv(x))).flatten(1)
        return self.fc2(F.leaky_relu(self.bn1(self.fc1(y)), 0.1)).softmax(1)


def _stem(*behind):
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Hardswish(), *behind)


#: name -> (network, shape of a batch)
NETS = {
    "chain": lambda: (
        _stem(nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6, 5)),
        (6, 3, 16, 16),
    ),
    "residual": lambda: (_stem(Block(4), Block(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (6, 3, 12, 12)),
    "joined": lambda: (_stem(Joined(), nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 1)), (6, 3, 8, 8)),
    "transposed": lambda: (
        _stem(nn.ConvTranspose2d(4, 6, 2, 2, groups=2), nn.BatchNorm2d(6), nn.PReLU(6), nn.Conv2d(6, 2, 3)),
        (6, 3, 8, 8),
    ),
    "sequence": lambda: (Sequence(), (6, 3, 8)),
}


def network(name: str, seed: int = 0) -> tuple[nn.Module, torch.Tensor]:
    """A network in eval mode, its running statistics those of its data, and a batch of that data."""
    torch.manual_seed(seed)
    net, shape = NETS[name]()
    x = torch.randn(shape)
    with torch.no_grad():
        for _ in range(30):
            net.train()(torch.randn(shape))
        for module in net.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
    return net.eval(), x
