"""QATModel in DistributedDataParallel: two processes on gloo learn one network and freeze the same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ddp_worker import BY_BATCH

RANKS = 2


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each rank found."""
    folder = tmp_path_factory.mktemp("ddp")
    worker = Path(__file__).with_name("ddp_worker.py")
    started = [
        subprocess.Popen([sys.executable, worker, str(rank), str(RANKS), folder], stderr=subprocess.PIPE)
        for rank in range(RANKS)
    ]
    try:
        errors = [process.communicate(timeout=120)[1].decode() for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * RANKS, errors
    return [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(RANKS)]


def test_gradients_agree_although_the_data_differ(ranks):
    first, second = ranks
    assert not torch.equal(first["shard"], second["shard"])
    for mine, theirs in zip(first["gradients"], second["gradients"], strict=True):
        assert mine.keys() == theirs.keys()
        for name, gradient in mine.items():
            assert torch.equal(gradient, theirs[name]), name
        assert any(bool(g.any()) for k, g in mine.items() if k.endswith("growth"))


def test_learned_ranges_and_weights_agree(ranks):
    first, second = (found["state"] for found in ranks)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert any(bool(t.any()) for name, t in first.items() if name.endswith("growth"))


def test_statistics_are_each_ranks_own_until_the_next_forward_hands_out_those_of_rank_0(ranks):
    """As in any DistributedDataParallel model."""
    first, second = (found["means"] for found in ranks)
    assert not torch.equal(first[BY_BATCH - 1], second[BY_BATCH - 1])
    assert torch.equal(first[BY_BATCH], second[BY_BATCH])
    assert torch.equal(first[BY_BATCH - 1], first[BY_BATCH])


def test_the_frozen_bytes_agree(ranks):
    first, second = (found["file"] for found in ranks)
    assert first == second
