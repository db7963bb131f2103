"""A small network with branches for icepoint.quantize, and the comparison of all its roads."""

import torch
from torch import nn

import icepoint
import oracle_graph
from road_nets import images, outputs, randomize_batchnorm

SEED = 21


class Net(nn.Module):
    """Two convolutions over one input, and whatever `joined` makes of the module and their results."""

    def __init__(self, joined):
        super().__init__()
        torch.manual_seed(SEED)
        self.joined = joined
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.inner, self.bn, self.fc = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.constant = nn.Parameter(torch.ones(1, 4, 12, 12))
        self.thirteen = nn.Parameter(torch.ones(13, 4, 12, 12))  # as many images as the capture tries
        randomize_batchnorm(self, SEED)

    def forward(self, x):
        return self.joined(self, self.a(x), self.b(x))


def quantized(joined, **options):
    x = images(12, SEED, 1, 12)
    net = Net(joined)
    return net, icepoint.quantize(net, x[:1], x.split(6), **options), x


def checked(net, q, x):
    """The frozen file's graph, after comparing codes with the road and with the oracle, floats roughly."""
    frozen = q.freeze()
    frozen.verify()
    real, road, replayed = (outputs(f(x.clone())) for f in (net, q, frozen))
    assert len(real) == len(road) == len(replayed)
    for a, b, c in zip(real, road, replayed, strict=True):
        assert torch.equal(b, c) and float((a - b).detach().abs().max()) < 0.05 * float(
            a.detach().abs().max()
        )
    file, traced = oracle_graph.open_frozen(frozen.file_bytes), frozen.trace(x[:3])
    values = oracle_graph.run(file.graph, file.tensors, [traced["x"]])
    assert all((a == b).all() for a, b in zip(traced.values(), values, strict=True))
    codes = frozen.codes(x[:3])
    for isa in icepoint.isas():
        replay = icepoint._C.Model(frozen.file_bytes, isa).run_codes([traced["x"]])
        assert all((a.numpy() == b).all() for a, b in zip(outputs(codes), replay, strict=True)), isa
    return file.graph


def ops(graph):
    return [op["op"] for op in graph["ops"]]
