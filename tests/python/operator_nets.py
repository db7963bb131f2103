"""One operator as a network: quantized, frozen, compared with float, with its road and with the oracle."""

import math

import numpy as np
import torch
from torch import nn

import icepoint
import oracle_graph
from road_nets import outputs

SEED = 31


class One(nn.Module):
    """forward(x) = f(self, x), with the modules and parameters that `parts` names."""

    def __init__(self, f, **parts):
        super().__init__()
        self.f = f
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.f(self, x)


def batch(*shape: int, low: float = -2.0, high: float = 3.0, seed: int = SEED) -> torch.Tensor:
    """Uniform float32 numbers of low..high, (8, *shape)."""
    values = np.random.default_rng(seed).uniform(low, high, (8, *shape))
    return torch.from_numpy(values.astype(np.float32))


def sqnr_db(real: torch.Tensor, integer: torch.Tensor) -> float:
    noise = float(((real - integer).double() ** 2).sum())
    return math.inf if noise == 0.0 else 10 * math.log10(float((real.double() ** 2).sum()) / noise)


def through(f, x: torch.Tensor, least_db: float = 30.0, parts=None, **options) -> dict:
    """The frozen graph of One(f), whose codes are those of the road, of every ISA and of the oracle."""
    torch.manual_seed(SEED)
    model = One(f, **(parts or {})).eval()
    q = icepoint.quantize(model, x[:1], x.split(3), **options)
    frozen = q.freeze()
    frozen.verify()
    with torch.no_grad():
        real = outputs(model(x.clone()))
    road, replayed = outputs(q(x)), outputs(frozen(x))
    assert len(real) == len(road) == len(replayed)
    for a, b, c in zip(real, road, replayed, strict=True):
        assert a.shape == b.shape == c.shape and torch.equal(b, c)
        assert sqnr_db(a, c) >= least_db, sqnr_db(a, c)
    one = frozen.trace(x[:1])
    traced = frozen.trace(x[:3])
    file = oracle_graph.open_frozen(frozen.file_bytes)
    inputs = [traced[item["name"]] for item in file.graph["inputs"]]
    values = oracle_graph.run(file.graph, file.tensors, inputs)
    assert all((a == b).all() for a, b in zip(traced.values(), values, strict=True))
    assert all((a[:1] == b).all() for a, b in zip(traced.values(), one.values(), strict=True))
    for isa in icepoint.isas():
        codes = icepoint._C.Model(frozen.file_bytes, isa).run_codes(inputs)
        expected = outputs(frozen.codes(x[:3]))
        assert all((a.numpy() == b).all() for a, b in zip(expected, codes, strict=True)), isa
    assert not q.report().missing
    return file.graph


def ops(graph: dict) -> list[str]:
    return [op["op"] for op in graph["ops"]]


def refusal(f, x: torch.Tensor, parts=None) -> str:
    """What quantize says to One(f)."""
    try:
        icepoint.quantize(One(f, **(parts or {})).eval(), x[:1], [x])
    except ValueError as error:
        return str(error)
    raise AssertionError("quantize took it")
