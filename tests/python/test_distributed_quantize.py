"""Workers of torch.distributed quantize together: the same bytes as one process, whatever their number."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

import icepoint
from distributed_jobs import gloo_threads, run_workers
from icepoint import Recipe, calibration_data
from icepoint.distributed import alone, together, workers

SEED = 36
RECIPE = Recipe(mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.25])


def network(seed=SEED):
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU6()
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 5)).eval()


class Floats(nn.Module):
    """A layer that stays float, and sees the batch as a whole."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.LayerNorm(6)

    def forward(self, x):
        return self.norm(self.conv(x))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """150 pictures: five batches, the last one of 22."""
    path = tmp_path_factory.mktemp("data")
    pixels = np.random.default_rng(SEED).integers(0, 256, (150, 8, 8, 3), dtype=np.uint8)
    np.savez(path / "x.npz", x=RECIPE(pixels).numpy())
    for i, image in enumerate(pixels):
        (path / "photos" / f"{i % 3}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / "photos" / f"{i % 3}" / f"{i:03}.png")
    return path


def quantized(data, x, **options):
    options = {"recipe": "fast", "input_recipe": RECIPE} | options
    return icepoint.quantize(network(), x[:1], data, **options)


def files(place):
    """The frozen file of each case, by name; one worker by itself makes only the first."""
    x = torch.from_numpy(np.load(place / "x.npz")["x"])
    small = torch.nn.functional.interpolate(x[:40], size=16)
    found = {"accurate": quantized(place / "photos", x, recipe="accurate")}
    if dist.is_initialized() and dist.get_world_size() == 1:
        return {"accurate": found["accurate"].freeze().file_bytes}
    found["max"] = quantized(place / "photos", x, recipe="max")
    found["fast"] = quantized(place / "x.npz", x, recipe="fast", observer="percentile")
    found["loader"] = quantized(DataLoader(x, batch_size=7), x, observer="moving_average")
    found["generator"] = quantized((part for part in x.split(13)), x, recipe="accurate", observer="mse")
    found["one batch"] = quantized([x[:40]], x, recipe="accurate")
    found["two images"] = quantized([x[:2]], x, recipe="accurate")
    # The images that are held are those of the example's size, wherever the first ones of it come.
    found["sizes"] = quantized([*small.split(10), *x.split(16)], x, recipe="accurate")
    found["later"] = quantized(x[:100], x, recipe="accurate")
    assert found["later"].calibrate([x[100:], x[:9]]) == 2
    # More than can be held: the data is read once more for the second graph.
    calibration_data.HELD_IMAGES, held = 40, calibration_data.HELD_IMAGES
    found["not held"] = quantized(place / "photos", x, recipe="accurate")
    calibration_data.HELD_IMAGES = held
    found = {name: q.freeze().file_bytes for name, q in found.items()}
    floats = icepoint.quantize(Floats().eval(), x[:1], [x[:32], x[32:50]], strict=False)
    return found | {"a float layer": floats.freeze(strict=False)(x[:8]).detach().numpy().tobytes()}


@pytest.fixture(scope="module")
def expected(place):
    """What one process makes, without torch.distributed."""
    return files(place)


def collective(rank, place):
    """All that the tests of this file ask several workers: one group of processes costs seconds."""
    found = {"files": files(place), "numbers": numbers(rank), "refused": refused(place)}
    return found | {"alone": local(rank), "left": beside_another_backend(rank)}


def numbers(rank):
    dist.barrier()
    with together() as group:
        assert group is workers() and (group.rank, group.size) == (rank, dist.get_world_size())
        assert torch.get_num_threads() == icepoint.get_num_threads() == 1
        shares = []
        for count in (1, 7, 8):
            share = group.share(count)
            things = torch.arange(count) + 10
            assert torch.equal(share.joined(share.of(things)), things)
            assert share.joined(share.of(things.tolist())) == things.tolist()
            shares.append(len(share.of(things)))
        total = group.sum(torch.tensor([2**61 // group.size, rank]))
    return shares, total.tolist()


def beside_another_backend(rank):
    """More threads than before, where gloo works beside the job's own backend: while it does, and after."""
    before, backend = len(gloo_threads()), dist.get_backend
    dist.get_backend = lambda: "nccl"
    try:
        with together() as group:  # which this frame holds
            assert group.gather(rank) == list(range(dist.get_world_size()))
            inside = len(gloo_threads())
    finally:
        dist.get_backend = backend
    return inside - before, len(gloo_threads()) - before


def refused(place):
    """What each worker is told where the workers were not given the same."""
    x = torch.from_numpy(np.load(place / "x.npz")["x"])
    rank, size = dist.get_rank(), dist.get_world_size()

    def broken():
        yield x
        if rank == size - 1:
            raise KeyError("lost")
        yield x

    sampler = DistributedSampler(x, num_replicas=size, rank=rank, shuffle=False)
    cases = {
        "a share of the data": lambda: quantized(DataLoader(x, batch_size=8, sampler=sampler), x),
        "fewer batches": lambda: quantized(list(x.split(10))[: 15 - rank], x),
        "fewer images": lambda: quantized(x[: 150 - 32 * rank], x),
        "weights": lambda: icepoint.quantize(network(rank), x[:1], x),
        "options": lambda: quantized(x, x, num_bits=8 - rank),
        "no data": lambda: quantized([], x),
        "an exception": lambda: quantized(broken(), x),
    }

    def told(case):
        with pytest.raises((ValueError, RuntimeError, KeyError)) as caught:
            case()
        return f"{type(caught.value).__name__}: {caught.value}"

    return {name: told(case) for name, case in cases.items()} if size > 1 else {}


def local(rank):
    """What one worker does for itself needs no other one."""
    x = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(SEED))
    q = quantized(x, x, recipe="accurate")
    if rank:
        return None
    with alone():
        own = quantized(x, x, recipe="accurate")
    assert own.freeze().file_bytes == q.freeze().file_bytes
    assert q.measure().outputs.images == 32
    return q.again(num_bits=4).freeze().file_bytes == q.again(num_bits=4).freeze().file_bytes


@pytest.fixture(scope="module", params=[1, 2, 4])
def ended(request, place, tmp_path_factory):
    found = run_workers(request.param, tmp_path_factory.mktemp("workers"), collective, place)
    for worker in found:
        assert worker.code == 0, worker.output
    return [worker.value for worker in found]


def test_every_worker_makes_the_same_file(ended, expected):
    for found in ended:
        assert [name for name, data in found["files"].items() if data != expected[name]] == []
        assert len(ended) == 1 or found["files"].keys() == expected.keys()


def test_shares_and_sums(ended):
    shares, totals = zip(*(found["numbers"] for found in ended), strict=True)
    size = len(ended)
    for i, count in enumerate((1, 7, 8)):
        assert sum(share[i] for share in shares) == (count * size if count < size else count)
    assert all(total == [2**61 // size * size, size * (size - 1) // 2] for total in totals)


def test_reports_and_again_are_of_one_process(ended):
    assert ended[0]["alone"] is True


def test_a_group_of_its_own_ends_with_the_work(ended):
    for found in ended:
        inside, after = found["left"]
        assert inside > 0 and after == 0


def test_what_differs_between_workers_is_an_error_in_all(ended):
    for rank, found in enumerate(ended[1:] and ended):
        told = found["refused"]
        for name in ("a share of the data", "fewer batches", "fewer images"):
            assert told[name].startswith("ValueError: worker 1"), name
            assert f"of {len(ended)} differs from worker 0" in told[name] and "Sampler" in told[name]
        for name in ("weights", "options"):
            assert "quantize was given another model, other weights or other options" in told[name]
        assert (
            told["no data"] == "ValueError: calibrate: calibration_data held no batch; expected at least one"
        )
        last = len(ended) - 1
        expected = (
            "KeyError: 'lost'" if rank == last else f"WorkerError: worker {last} of {last + 1}: KeyError"
        )
        assert told["an exception"].startswith(expected)
