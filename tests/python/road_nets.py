"""Networks written by hand out of QModules, as a user writes them, and images for them."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import icepoint

SCHEMES = ("per_channel", "per_tensor_affine", "per_channel_affine")


def images(count: int, seed: int, channels: int = 1, size: int = 28) -> torch.Tensor:
    """Normalized pictures of a few soft strokes on a dark ground, (count, channels, size, size)."""
    rng = np.random.default_rng(seed)
    centre, width = rng.uniform(5, size - 5, (2, count, channels, 3)), rng.uniform(1, 3, (count, channels, 3))
    line = np.arange(size)
    dy = (line - centre[0][..., None]) ** 2 / width[..., None] ** 2
    dx = (line - centre[1][..., None]) ** 2 / width[..., None] ** 2
    strokes = np.exp(-(dy[..., :, None] + dx[..., None, :]) / 2).max(2)
    pixels = np.round(255 * strokes) / 255
    return torch.from_numpy(((pixels - 0.1307) / 0.3081).astype(np.float32))


def randomize_batchnorm(module: nn.Module, seed: int) -> nn.Module:
    """Running statistics and parameters as training leaves them, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.copy_(torch.randn(m.num_features, generator=generator) * 0.3)
            m.running_var.copy_(torch.rand(m.num_features, generator=generator) + 0.3)
            if not m.affine:
                continue
            with torch.no_grad():
                m.weight.copy_(torch.randn(m.num_features, generator=generator))
                m.bias.copy_(torch.randn(m.num_features, generator=generator) * 0.3)
    return module.eval()


def float_bytes(module: nn.Module) -> dict[str, bytes]:
    """The float weights and statistics, byte for byte."""
    return {
        name: t.detach().numpy().tobytes()
        for name, t in [*module.named_parameters(), *module.named_buffers()]
    }


class OwnNet(nn.Module):
    """A chain with every convolution option: stride, dilation, groups, 'same', no bias; returns n x 5."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 6, 5, stride=2, padding=(2, 1), bias=False)
        self.deep = nn.Conv2d(6, 6, 3, padding="same", dilation=2, groups=6)
        self.even = nn.Conv2d(6, 8, 4, padding="same")
        self.fc = nn.Linear(8 * 7 * 6, 5)

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.relu6(self.deep(x))
        x = F.max_pool2d(self.even(x), 2, 2)
        return self.fc(x.flatten(1))

    def quantize(self, num_bits=8, weights="per_channel"):
        options = {"num_bits": num_bits, "weights": weights}
        self.qfirst = icepoint.QConv2d(self.first, **options)
        self.qrelu = icepoint.QReLU()
        self.qdeep = icepoint.QConv2d(self.deep, has_qin=False, **options)
        self.qrelu6 = icepoint.QReLU6()
        self.qeven = icepoint.QConv2d(self.even, qi=False, qo=True, **options)
        self.qpool = icepoint.QMaxPooling2d(nn.MaxPool2d(2, 2))
        self.qfc = icepoint.QDense(self.fc, qi=False, **options)

    def quantize_forward(self, x):
        x = self.qrelu(self.qfirst(x))
        x = self.qrelu6(self.qdeep(x))
        x = self.qpool(self.qeven(x))
        return self.qfc(x.flatten(1))

    def freeze(self):
        self.qfirst.freeze()
        self.qrelu.freeze(self.qfirst.q_out)
        self.qdeep.freeze(q_in=self.qfirst.q_out)
        self.qrelu6.freeze(qi=self.qdeep.qo)
        self.qeven.freeze(qi=self.qdeep.qo)
        self.qpool.freeze(qi=self.qeven.qo)
        self.qfc.freeze(qi=self.qeven.qo)

    def quantize_inference(self, x):
        qx = self.qfirst.q_in.quantize_tensor(x)
        qx = self.qrelu.quantize_inference(self.qfirst.quantize_inference(qx))
        qx = self.qrelu6.quantize_inference(self.qdeep.quantize_inference(qx))
        qx = self.qpool.quantize_inference(self.qeven.quantize_inference(qx))
        qx = qx.flatten(1)
        return self.qfc.q_out.dequantize_tensor(self.qfc.quantize_inference(qx))


class ResidualNet(nn.Module):
    """A residual block with a gate, two pools joined, two outputs: every QModule that is not in Net."""

    def __init__(self):
        super().__init__()
        self.stem, self.stem_bn = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.conv, self.bn = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.squeeze = nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(16 * 2 * 3, 7)

    def forward(self, x):
        x = F.relu(self.stem_bn(self.stem(x)))
        y = F.relu6(self.bn(self.conv(x)))
        x = x + y
        gate = torch.sigmoid(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        x = gate * x
        a = F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)
        x = torch.cat([a, F.max_pool2d(x, 3, 2, 1, ceil_mode=True)], 1)
        x = F.adaptive_avg_pool2d(x, (2, 3))
        return self.fc(x.reshape(x.size(0), -1)), gate

    def quantize(self, num_bits=8, weights="per_channel"):
        own, bits = {"num_bits": num_bits, "weights": weights}, {"num_bits": num_bits}
        self.qstem = icepoint.QConvBNReLU(self.stem, self.stem_bn, **own)
        self.qconv = icepoint.QConv2d(self.conv, has_qin=False, **own)
        self.qbn = icepoint.QBatchNorm2d(self.bn, **bits)
        self.qrelu6 = icepoint.QReLU6()
        self.qadd = icepoint.QAdd(**bits)
        self.qmean = icepoint.QAdaptiveAvgPool2d(1, **bits)
        self.qsqueeze = icepoint.QConv2d(self.squeeze, has_qin=False, **own)
        self.qsigmoid = icepoint.QSigmoid(**bits)
        self.qgate = icepoint.QMul(**bits)
        self.qavg = icepoint.QAvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False, **bits)
        self.qmax = icepoint.QMaxPooling2d(3, 2, 1, ceil_mode=True)
        self.qconcat = icepoint.QConcat(**bits)
        self.qgrid = icepoint.QAdaptiveAvgPool2d((2, 3), **bits)
        self.qfc = icepoint.QLinear(self.fc, has_qin=False, **own)

    def quantize_forward(self, x):
        x = self.qstem(x)
        x = self.qadd(x, self.qrelu6(self.qbn(self.qconv(x))))
        gate = self.qsigmoid(self.qsqueeze(self.qmean(x)))
        x = self.qgate(gate, x)
        x = self.qgrid(self.qconcat(self.qavg(x), self.qmax(x)))
        return self.qfc(x.reshape(x.size(0), -1)), gate

    def freeze(self):
        self.qstem.freeze()
        self.qconv.freeze(q_in=self.qstem.q_out)
        self.qbn.freeze(q_in=self.qconv.q_out)
        self.qrelu6.freeze(self.qbn.q_out)
        self.qadd.freeze(self.qstem.q_out, self.qbn.q_out)
        self.qmean.freeze(self.qadd.q_out)
        self.qsqueeze.freeze(self.qmean.q_out)
        self.qsigmoid.freeze(self.qsqueeze.q_out)
        self.qgate.freeze(q_in1=self.qsigmoid.q_out, q_in2=self.qadd.q_out)
        self.qavg.freeze(self.qgate.q_out)
        self.qmax.freeze(self.qgate.q_out)
        self.qconcat.freeze(q_in=[self.qavg.q_out, self.qgate.q_out])
        self.qgrid.freeze(self.qconcat.q_out)
        self.qfc.freeze(self.qgrid.q_out)

    def quantize_inference(self, x):
        x = self.qstem.quantize_inference(self.qstem.q_in.quantize_tensor(x))
        y = self.qconv.quantize_inference(x)
        y = self.qrelu6.quantize_inference(self.qbn.quantize_inference(y))
        x = self.qadd.quantize_inference(x, y)
        gate = self.qsqueeze.quantize_inference(self.qmean.quantize_inference(x))
        gate = self.qsigmoid.quantize_inference(gate)
        x = self.qgate.quantize_inference(gate, x)
        joined = self.qconcat.quantize_inference(
            self.qavg.quantize_inference(x), self.qmax.quantize_inference(x)
        )
        x = self.qgrid.quantize_inference(joined)
        x = self.qfc.quantize_inference(x.reshape(x.size(0), -1))
        return self.qfc.q_out.dequantize_tensor(x), self.qsigmoid.q_out.dequantize_tensor(gate)


def subjects() -> dict[str, tuple[type[nn.Module], int]]:
    """Every network with the channels of its input; all take 28 x 28."""
    models = icepoint.models
    return {
        "Net": (models.Net, 1),
        "NetBN": (models.NetBN, 1),
        "OwnNet": (OwnNet, 1),
        "ResidualNet": (ResidualNet, 3),
    }


def calibrated(name: str, num_bits: int = 8, weights: str = "per_channel", seed: int = 0) -> nn.Module:
    """A network with random weights that has seen 64 images."""
    torch.manual_seed(seed)
    make, channels = subjects()[name]
    net = randomize_batchnorm(make(), seed)
    net.quantize(num_bits=num_bits, weights=weights)
    icepoint.calibrate(net, images(64, seed, channels).split(32))
    return net


def frozen(net: nn.Module, name: str) -> icepoint.FrozenModel:
    return icepoint.freeze(net, images(1, 99, subjects()[name][1]))


def outputs(result) -> list[torch.Tensor]:
    return list(result) if isinstance(result, tuple) else [result]
