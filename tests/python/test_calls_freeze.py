"""What icepoint.freeze cannot follow is refused with its line; files are whole, and stable everywhere."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import icepoint
from road_nets import calibrated, images

SEED = 15


class TestFreezeRefuses:
    """What icepoint.freeze cannot follow: in words, with the line."""

    def road(self, inference):
        class Own(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = icepoint.QConv2d(nn.Conv2d(1, 2, 3, padding=1))
                self.b = icepoint.QConv2d(nn.Conv2d(2, 2, 3, padding=1), has_qin=False)

            def quantize_forward(self, x):
                return self.b(self.a(x))

            def freeze(self):
                self.a.freeze()
                self.b.freeze(self.a.q_out)

            def quantize_inference(self, x):
                return inference(self, x)

        torch.manual_seed(SEED)
        net = Own()
        icepoint.calibrate(net, [images(2, 0)])
        return net

    @pytest.mark.parametrize(
        "inference, text",
        [
            (lambda s, q: s.b.quantize_inference(s.a.quantize_inference(q) + 1), r"\+ 1.*`.*add.*on codes"),
            (lambda s, q: s.b.quantize_inference(torch.relu(s.a.quantize_inference(q))), "relu"),
            (lambda s, q: s.b.quantize_inference(s.a.quantize_inference(q).clamp_(0, 9)), "clamp_"),
            (lambda s, q: s.b.quantize_inference(s.a.quantize_inference(q)[:, :, ::2]), "on codes"),
            (
                lambda s, q: s.b.quantize_inference(s.a.quantize_inference(q).view(1, 2, -1, 28)),
                "one image to another",
            ),
            (lambda s, q: s.b.quantize_inference(s.a.quantize_inference(q).float().int()), "float"),
            (lambda s, q: s.b.quantize_inference(s.a.quantize_inference(q) * int(q.max() > 3)), "max"),
            (lambda s, q: s.b.quantize_inference(s.a.quantize_inference(q) if q[0, 0, 0, 0] else q), "codes"),
            (lambda s, q: s.b.quantize_inference(write(s.a.quantize_inference(q))), "writes into"),
            (
                lambda s, q: s.b.quantize_inference(torch.zeros(2, 2, 28, 28, dtype=torch.int32)),
                "did not come from",
            ),
            (lambda s, q: s.b.quantize_inference(torch.cat([q, q], 1)), "feeds b, which was frozen for"),
            (
                lambda s, q: s.b.quantize_inference(torch.cat([s.a.quantize_inference(q)] * 2)),
                "along the batch",
            ),
        ],
    )
    def test_between_codes(self, inference, text):
        net = self.road(lambda s, x: s.b.q_out.dequantize_tensor(inference(s, s.a.q_in.quantize_tensor(x))))
        with pytest.raises(ValueError, match=rf"(?s)cannot follow .*test_calls_freeze\.py:\d+.*{text}"):
            icepoint.freeze(net, images(1, 0))

    @pytest.mark.parametrize(
        "inference, text",
        [
            (lambda s, x: out(s, x * 2), "outside the integers"),
            (lambda s, x: out(s, x).softmax(1), "outside the integers"),
            (
                lambda s, x: s.b.quantize_inference(s.a.quantize_inference(s.a.q_in.quantize_tensor(x))),
                "found codes",
            ),
            (lambda s, x: x, "found Tensor"),
            (lambda s, x: s.a.q_out.dequantize_tensor(codes_of(s, x)), "dequantizes codes of scale"),
            (lambda s, x: (out(s, x), s.b.q_out.quantize_tensor(x))[0], "a second time"),
        ],
    )
    def test_around_the_integers(self, inference, text):
        with pytest.raises(ValueError, match=text):
            icepoint.freeze(self.road(inference), images(1, 0))

    def test_what_it_follows(self):
        def inference(s, x):
            qx = s.a.quantize_inference(s.a.q_in.quantize_tensor(x))
            qx = qx.clone().contiguous().reshape(x.shape[0], -1).view(-1, 2, 28, 28).to(torch.int32)
            qx = torch.cat([qx, qx], dim=-1).flatten(1).unflatten(1, (2, 28, 56)).unsqueeze(0).squeeze(0)
            return s.b.q_out.dequantize_tensor(s.b.quantize_inference(qx))

        def without_unsqueeze(s, x):
            qx = s.a.quantize_inference(s.a.q_in.quantize_tensor(x))
            qx = qx.clone().contiguous().reshape(x.shape[0], -1).view(-1, 2, 28, 28).to(torch.int32)
            qx = torch.cat([qx, qx], dim=-1).flatten(1).unflatten(1, (2, 28, 56))
            return s.b.q_out.dequantize_tensor(s.b.quantize_inference(qx))

        with pytest.raises(ValueError, match="one image to another"):
            icepoint.freeze(self.road(inference), images(1, 0))
        net = self.road(without_unsqueeze)
        model, x = icepoint.freeze(net, images(1, 0)), images(5, 2)
        assert torch.equal(model(x), net.quantize_inference(x))

    @pytest.mark.parametrize(
        "example", [[], torch.zeros(0, 1, 28, 28), torch.zeros(1, 1, 28, 28).double(), [1.0]]
    )
    def test_examples(self, example):
        with pytest.raises(ValueError, match="example_input"):
            icepoint.freeze(self.road(out), example)


def codes_of(s, x):
    return s.b.quantize_inference(s.a.quantize_inference(s.a.q_in.quantize_tensor(x)))


def out(s, x):
    return s.b.q_out.dequantize_tensor(codes_of(s, x))


def write(q):
    q[0, 0, 0, 0] = 7
    return q


def test_saving_is_all_or_nothing(tmp_path):
    """A12: a writer killed at any moment, or out of space, leaves the old file or the whole new one."""
    models = [calibrated("Net", bits).freeze() for bits in (8, 4)]
    whole = {m.file_bytes for m in models}
    path = tmp_path / "m.ice"
    models[0].save(path)
    dice = random.Random(SEED)
    for _ in range(15):
        child = os.fork()
        if child == 0:
            while True:
                for m in models:
                    m.save(path)
        time.sleep(dice.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert path.read_bytes() in whole, SEED
    before = path.read_bytes()
    child = os.fork()
    if child == 0:  # the disk is full after 1,000 bytes
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            models[1].save(path)
        except OSError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert path.read_bytes() == before
    with pytest.raises(OSError):
        models[0].save(tmp_path)


def test_files_are_stable_across_processes():
    """A13: hash seeds, thread counts and instruction sets change no byte of a file."""
    here = Path(__file__).parent
    program = "import sys; sys.path.insert(0, sys.argv[1]); import road_nets as r; import hashlib;"
    program += "n='ResidualNet'; print(hashlib.sha256(r.frozen(r.calibrated(n), n).file_bytes).hexdigest())"
    digests = set()
    for hash_seed, threads, isa in (("1", "1", "reference"), ("2", "2", icepoint.isas()[-1])):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "ICEPOINT_THREADS": threads, "ICEPOINT_ISA": isa}
        command = [sys.executable, "-c", program, str(here)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1
