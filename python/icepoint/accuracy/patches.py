"""A convolution as a matrix product: the inputs that each place of its result reads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..modules.mean_linear import MeanLinear
from ..modules.windows import conv_padding, pair


def patches(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """(groups, K, places): what each place of a layer's result reads of x (n, ...), in any float dtype.

    K counts as weight[oc].flatten() does, for the weight (oc, ic / groups, ...) of the layer's float_weights:
    it is weight.view(groups, -1, K) @ patches(module, x), and its bias.

    >>> patches(nn.Conv2d(4, 6, 3, groups=2), torch.zeros(5, 4, 8, 8)).shape
    torch.Size([2, 18, 180])
    """
    if isinstance(module, MeanLinear):
        return x.sum((2, 3)).mT[None]
    if isinstance(module, nn.Linear):
        return x.reshape(1, -1, x.shape[-1]).mT
    assert isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
    kernel, dilation = (pair(v, "") for v in (module.kernel_size, module.dilation))
    turned = isinstance(module, nn.ConvTranspose2d)
    x = _spread(module, x) if turned else _padded(x, conv_padding(module))
    columns = F.unfold(x, kernel, dilation, stride=1 if turned else module.stride)
    columns = columns.view(len(x), module.groups, -1, *kernel, columns.shape[-1])
    if turned:
        columns = columns.flip(3, 4)
    return columns.permute(1, 2, 3, 4, 0, 5).flatten(4).flatten(1, 3)


def places(module: nn.Module, x: torch.Tensor) -> int:
    """How many places the result for x has, over all images."""
    y = module(x)
    return y.numel() // (y.shape[-1] if isinstance(module, nn.Linear) else y.shape[1])


def _padded(x: torch.Tensor, sides: list[int]) -> torch.Tensor:
    top, left, bottom, right = sides
    return F.pad(x, (left, right, top, bottom))


def _spread(module: nn.ConvTranspose2d, x: torch.Tensor) -> torch.Tensor:
    """The image over which a transposed convolution is a convolution of stride 1 with the kernel turned.

    stride - 1 zeros go between the pixels, and d (k - 1) - p around them, output_padding more at the end.
    """
    n, c, h, w = x.shape
    (sh, sw), (dh, dw), (kh, kw), (ph, pw), (oh, ow) = (
        pair(v, "", least=0)
        for v in (module.stride, module.dilation, module.kernel_size, module.padding, module.output_padding)
    )
    wide = x.new_zeros(n, c, (h - 1) * sh + 1, (w - 1) * sw + 1)
    wide[:, :, ::sh, ::sw] = x
    top, left = dh * (kh - 1) - ph, dw * (kw - 1) - pw
    return _padded(wide, [top, left, top + oh, left + ow])
