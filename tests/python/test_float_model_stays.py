"""Nothing that is done to a QuantizedModel changes the float model that it was made of."""

import pytest
import torch
from torch import nn

import icepoint

SEED = 71


class Network(nn.Module):
    """BatchNorm in all its places: folded into a convolution, by itself, and of features; and dropout."""

    def __init__(self):
        super().__init__()
        self.conv, self.folded, self.alone = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.drop, self.last, self.features = nn.Dropout(), nn.Linear(4, 5), nn.BatchNorm1d(5)

    def forward(self, x):
        y = self.alone(torch.sigmoid(self.folded(self.conv(x))))
        return self.features(self.last(self.drop(y).mean((2, 3))))


def network():
    torch.manual_seed(SEED)
    return Network().eval()


def images(count, shift=0.0):
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(SEED)) + shift


@pytest.mark.parametrize("recipe", ["fast", "accurate"])
def test_train_mode_moves_no_statistics(recipe):
    """The report runs the float network too: its BatchNorms share the float model's running statistics."""
    net, x = network(), images(16)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    q = icepoint.quantize(net, x[:1], [x], recipe=recipe)
    steps = {
        "train": lambda: q.train(),
        "forward": lambda: q(images(8, 3.0)).sum().backward(),
        "measure": lambda: q.measure(images(8, 3.0), remedies=False),
        "calibrate": lambda: q.calibrate([images(8, 1.0)]),
        "calibrated": lambda: q(x),
        "again": lambda: q.again(num_bits=6).train()(x),
        "every module": lambda: [module.train() for module in q.modules()],
        "measure again": lambda: q.measure(remedies=False),
        "freeze": lambda: q.freeze(),
    }
    for name, step in steps.items():
        step()
        moved = [key for key, tensor in net.state_dict().items() if not torch.equal(tensor, before[key])]
        assert moved == [] and not any(module.training for module in net.modules()), name
    assert q.training  # as it was left


def test_calibration_does_not_ask_for_the_mode():
    x, more = images(16), [images(16, 1.0)]
    files = []
    for train in (False, True):
        q = icepoint.quantize(network(), x[:1], [x]).train(train)
        q.calibrate(more)
        files.append(q.freeze().file_bytes)
    assert files[0] == files[1]
