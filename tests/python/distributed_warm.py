"""What the server of distributed_jobs does before it forks: imports, and all that a first capture loads."""

import torch
from torch import nn

import icepoint

torch.set_num_threads(1)
# Captures and runs no kernel: threads of a pool would not live on in a fork.
icepoint.coverage(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)).eval(),
                  torch.zeros(1, 3, 4, 4))  # fmt: skip
