"""QATModel inside a LightningModule: fit, a checkpoint that comes back, the same bytes."""

import pytest
import torch
import torch.nn.functional as F

from icepoint import training
from training_nets import network

lightning = pytest.importorskip("lightning", reason="lightning is not installed: pip install lightning")


class Trained(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        net, x = network("residual")
        self.qat = training.prepare(net, x[:1], [x], num_bits=4, batch_statistics=3)

    def training_step(self, batch, _index):
        return F.mse_loss(self.qat(batch), torch.zeros(len(batch), 4))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def test_fit_and_checkpoint(tmp_path):
    lightning.seed_everything(3)
    data = torch.utils.data.DataLoader(torch.randn(24, 3, 12, 12), batch_size=4)
    module = Trained()
    before = module.qat.freeze().file_bytes
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path
    )
    trainer.fit(module, data)
    after = module.qat.freeze().file_bytes
    assert after != before and int(module.qat.steps_by_batch) == 0
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = Trained.load_from_checkpoint(tmp_path / "last.ckpt")
    assert again.qat.freeze().file_bytes == after
