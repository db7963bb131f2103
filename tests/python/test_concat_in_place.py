"""Concatenations whose inputs are written where the result lies: the bytes of who copies, on every kernel."""

import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import icepoint
from icepoint import bench
from road_nets import images

SEEDS = range(12)


class Dense(nn.Module):
    """A random chain of branches and concatenations; every value can be read again, alone or joined."""

    def __init__(self, seed):
        super().__init__()
        self.seed, self.layers = seed, nn.ModuleList()
        torch.manual_seed(seed)
        self.made = False
        with torch.no_grad():
            self(torch.zeros(2, 3, 9, 10))
        self.made = True

    def layer(self, i, make):
        if not self.made:
            self.layers.append(make())
        return self.layers[i]

    def forward(self, x):
        rng, made = random.Random(self.seed), 0
        values = [x]
        for _ in range(12):
            a = rng.choice(values[-4:])
            c, kind = a.shape[1], rng.randrange(8)
            if kind < 3:
                same = [v for v in values if v is not x and rng.random() < 0.7] or [a]
                y = torch.cat(same, 1)
            elif kind == 3:
                y = F.max_pool2d(a, 3, 1, 1)
            elif kind == 4:
                y = F.relu(a)
            elif kind == 5 and c % 2 == 0:
                y = self.layer(made, lambda c=c: nn.Conv2d(c, c, 3, padding=1, groups=c))(a)
                made += 1
            else:
                size, out = rng.choice([1, 1, 3]), rng.choice([1, 3, 8, 16, 17])
                make = lambda c=c, out=out, size=size: nn.Conv2d(c, out, size, padding=size // 2)  # noqa: E731
                y = self.layer(made, make)(a)
                made += 1
                if rng.random() < 0.3:
                    y = y + F.avg_pool2d(y, 3, 1, 1)
            values.append(y)
        return F.adaptive_avg_pool2d(torch.cat([values[-1], values[-2]], 1), 1).flatten(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_bytes_on_every_kernel(seed):
    model = Dense(seed).eval()
    x = images(6, seed, 3, 10)[:, :, :9]
    frozen = icepoint.quantize(model, x[:1], [x]).freeze()
    values = frozen.trace(x)  # each in memory of its own
    expected = torch.from_numpy(list(values.values())[-1])
    codes = values[next(iter(values))]
    assert torch.equal(frozen.codes(x), expected)
    for isa in icepoint.isas():
        (found,) = icepoint._C.Model(frozen.file_bytes, isa).run_codes([codes])
        assert (found == expected.numpy()).all(), isa
        (one,) = icepoint._C.Model(frozen.file_bytes, isa).run_codes([codes[2:3]])
        assert (one == expected.numpy()[2:3]).all(), isa


def test_a_dense_block_concatenates_without_work():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(8 + 8 * i, 8, 1) for i in range(5))
            self.first = nn.Conv2d(3, 8, 3)

        def forward(self, x):
            values = [self.first(x)]
            for conv in self.convs:
                values.append(conv(torch.cat(values, 1)))
            return torch.cat(values, 1).mean((2, 3))

    torch.manual_seed(0)
    x = images(4, 0, 3, 12)
    q = icepoint.quantize(Block().eval(), x[:1], [x])
    q.fix(widest=1e9)
    rows = bench.time_layers(q.freeze(), 1, 0.01)
    assert [row["us"] for row in rows if row["op"] == "qconcat"] == [0.0] * 6
