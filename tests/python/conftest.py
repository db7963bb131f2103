"""What all Python tests share: torch on one thread, as the operations are small and the cores are few."""

import torch

torch.set_num_threads(1)
