"""torch.no_grad, inference_mode, enable_grad and autocast in a model's forward, on every road."""

import pytest
import torch
import torch.nn.functional as F

import icepoint
from capture_nets import OneConv
from road_nets import images

SEED = 53
X = images(8, SEED, 3, 12)
CONTEXTS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "enable_grad": torch.enable_grad,
    "set_grad_enabled": lambda: torch.set_grad_enabled(True),
    "autocast off": lambda: torch.autocast("cpu", enabled=False),
    "autocast off, half": lambda: torch.autocast("cpu", torch.bfloat16, enabled=False),
    "autocast elsewhere": lambda: torch.autocast("cuda", enabled=False),
}
ROADS = {
    "torch.export": lambda n: 2.0,
    "make_fx": lambda n: 2.0 if float(n.conv.weight.detach().sum()) < 1000 else 3.0,
}


def net_of(forward):
    torch.manual_seed(SEED)
    return OneConv(forward).eval()


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("name", CONTEXTS)
def test_contexts_change_nothing(name, road):
    def plain(n, x):
        factor = ROADS[road](n)
        y = n.conv(x)
        z = F.relu(y) * factor
        return n.fc(z.mean((2, 3))), y

    def within(n, x):
        factor = ROADS[road](n)
        with CONTEXTS[name]():
            y = n.conv(x)
            z = F.relu(y) * factor
            with torch.no_grad(), torch.enable_grad():
                z = z.mean((2, 3))
        with CONTEXTS[name]():
            return n.fc(z), y

    files = []
    for forward in (plain, within):
        q = icepoint.quantize(net_of(forward), X[:1], [X])
        assert q.coverage.is_complete and q.coverage.road.name.startswith(road)
        frozen = q.freeze()
        assert all(torch.equal(a, b) for a, b in zip(q(X), frozen(X), strict=True))
        files.append([y.numpy().tobytes() for y in frozen(X)])
    assert files[0] == files[1]


def test_other_sizes_go_through_a_context():
    def forward(n, x):
        with torch.enable_grad():
            return F.relu(n.conv(x))

    q = icepoint.quantize(net_of(forward), X[:1], [X])
    larger = images(3, SEED, 3, 20)
    assert torch.equal(q(larger), q.freeze(height=20, width=20)(larger))


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("strict", [True, False])
def test_autocast_that_computes_in_half_is_refused_with_the_line(road, strict):
    class Half(OneConv):
        def forward(self, x):
            factor = ROADS[road](self)
            with torch.autocast("cpu", torch.bfloat16):
                y = self.conv(x)  # the first line in half
            return y.float() * factor

    net = Half(None).eval()
    words = (
        r"(?s)cannot capture Half: it computes in bfloat16 under torch\.autocast.*enabled=False.*first line"
    )
    with pytest.raises(ValueError, match=words):
        icepoint.quantize(net, X[:1], [X], strict=strict)
    with pytest.raises(ValueError, match=words):
        icepoint.coverage(net, X[:1])
