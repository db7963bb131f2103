"""icepoint.quantize on random graphs: captured steps equal the model, frozen codes equal the road's."""

import random

import pytest
import torch

import icepoint
import oracle_graph
from icepoint.capture import capture
from icepoint.modules import QInput
from random_modules import CHANNELS, SIZE, RandomNet
from road_nets import SCHEMES, float_bytes, images, outputs, randomize_batchnorm


def net_and_images(seed):
    torch.manual_seed(seed)
    return randomize_batchnorm(RandomNet(seed), seed), images(6, seed, CHANNELS, SIZE)


@pytest.mark.parametrize("seed", range(60))
def test_steps_compute_what_the_model_computes(seed):
    """In float: writes in place, views, dropout and code that nobody reads change nothing."""
    model, x = net_and_images(seed)
    captured = capture(model, x)
    assert captured.missing == []
    with torch.no_grad():
        expected = outputs(model(x.clone()))
        values = {0: x}
        for step in captured.steps:
            values[step.output] = step.module(*(values[v] for v in step.inputs))
    assert len(captured.outputs) == len(expected)
    for value, y in zip(captured.outputs, expected, strict=True):
        torch.testing.assert_close(values[value], y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_frozen_codes_are_the_road_s(seed):
    model, x = net_and_images(seed)
    rng, before = random.Random(seed), float_bytes(model)
    options = {"num_bits": rng.randint(3, 8), "weights": rng.choice(SCHEMES)}
    options["weight_bits"] = rng.choice([None, 4, {"m*": 5, "m0": 2}])
    q = icepoint.quantize(model, x[:1], x.split(4), **options)
    assert float_bytes(model) == before
    assert sum(isinstance(stage.layer, QInput) for stage in q.stages) == 1
    frozen = q.freeze()
    frozen.verify()
    road, replayed = outputs(q(x)), outputs(frozen(x))
    assert all(torch.equal(a, b) for a, b in zip(road, replayed, strict=True)), (seed, options)
    file = oracle_graph.open_frozen(frozen.file_bytes)
    traced = frozen.trace(x[:2])
    values = oracle_graph.run(file.graph, file.tensors, [traced["x"]])
    assert all((a == b).all() for a, b in zip(traced.values(), values, strict=True)), (seed, options)
    again = icepoint.quantize(model, x[:1], x.split(4), **options).freeze()
    assert again.file_bytes == frozen.file_bytes
    assert q.report().integer_macs_percent == 100.0
