"""One rank of a DistributedDataParallel training on gloo: started by test_training_distributed.py."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.nn  # before there is a process group: docs/distributed.md
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from icepoint import training
from training_nets import network

STEPS, BY_BATCH = 4, 2


def main(rank: int, size: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    net, example = network("residual")
    calibration = list(torch.randn(4, 6, 3, 12, 12))
    torch.manual_seed(100 + rank)  # another shard for each
    shard = torch.randn(STEPS, 8, 3, 12, 12)
    # Every rank names all of the calibration data, and takes its own batches of them. The example is the same
    # too, since a file checks itself by it.
    qat = training.prepare(net, example[:1], calibration, num_bits=4, batch_statistics=BY_BATCH)
    wrapped = DistributedDataParallel(qat)
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.02, momentum=0.9)
    found = {"means": [], "gradients": []}
    for x in shard:
        F.mse_loss(wrapped(x), torch.zeros(8, 4)).backward()
        found["gradients"].append({k: p.grad.clone() for k, p in qat.named_parameters()})
        found["means"].append(
            next(m for m in qat.layers.modules() if isinstance(m, nn.BatchNorm2d)).running_mean.clone()
        )
        optimizer.step()
        optimizer.zero_grad()
    found["state"], found["file"] = qat.state_dict(), qat.freeze().file_bytes
    found["shard"] = shard
    torch.save(found, folder / f"rank{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
