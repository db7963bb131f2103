"""Processes for tests of torch.distributed, forked from one that has imported all: they start at once."""

import datetime
import multiprocessing
import os
import pickle
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch.distributed as dist

SECONDS = 60  # for a whole job; a worker that is still there has hung


@dataclass
class Ended:
    """How one worker ended: its exit code, what its function returned, and what it printed."""

    code: int
    value: object
    output: str


def run_workers(size, folder, work, *args):
    """Runs work(rank, *args) in `size` processes, a torch process group of gloo; what became of each."""
    return _run(size, folder, _in_group, (work, *args))


def run_command(size, folder, argv, before=None, environment=None, lost=None):
    """Runs `python -m icepoint` with `argv` as torchrun would; before(rank) comes first.

    Worker `lost` may hang: the others are waited for.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        **(environment or {}),
    }
    return _run(size, folder, _command, (list(map(str, argv)), before, told), lost)


def _run(size, folder, target, args, lost=None):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    context = _context()
    workers = [
        context.Process(target=_child, args=(rank, size, folder, target, args), daemon=True)
        for rank in range(size)
    ]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + SECONDS
    for rank, worker in enumerate(workers):
        if rank != lost:
            worker.join(max(0.0, deadline - time.monotonic()))
    codes = [worker.exitcode for worker in workers]
    for worker in workers:
        if worker.exitcode is None:
            worker.kill()
            worker.join()
    return [_ended(folder, rank, code) for rank, code in enumerate(codes)]


def _ended(folder, rank, code):
    value = folder / f"{rank}.pickle"
    output = (folder / f"{rank}.txt").read_text()
    return Ended(code, pickle.loads(value.read_bytes()) if value.exists() else None, output)


def _context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["distributed_warm"])
    # The server imports by PYTHONPATH alone.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        dict.fromkeys([str(Path(__file__).parent), *filter(None, sys.path)])
    )
    return context


def _child(rank, size, folder, target, args):
    with open(folder / f"{rank}.txt", "w") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(target(rank, size, folder, *args)))


def _in_group(rank, size, folder, work, *args):
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size,
        timeout=datetime.timedelta(seconds=SECONDS),
    )  # fmt: skip
    try:
        return work(rank, *args)
    finally:
        dist.destroy_process_group()


def _command(rank, size, folder, argv, before, environment):
    from icepoint.cli import main

    os.environ.update({"RANK": str(rank), **environment})
    if before is not None:
        before(rank)
    code = main(argv)
    left = gloo_threads()
    sys.exit(f"{left} left: Python, once it ends, aborts where one frees a tensor" if left else code)


def gloo_threads():
    """The names of this process's threads that are gloo's."""
    names = [name.read_text().strip() for name in Path("/proc/self/task").glob("*/comm")]
    return sorted(name for name in names if "gloo" in name)
