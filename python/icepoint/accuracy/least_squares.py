"""Weights that give a layer's result with the least squared error: in reals, and as codes."""

from __future__ import annotations

import math

import torch

from .moments import Moments
from .weight_grid import Grid

_BLOCK = 128  # columns whose errors follow every change at once; those behind follow by one product
_RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
_TINY = 1e-30  # inputs that never change would make the system singular


def compensating(weight: torch.Tensor, moments: Moments, ridge: float) -> tuple[torch.Tensor, torch.Tensor]:
    """V, where |V z - y|^2 + r |V - W|^2 is least, and H; (groups, oc, K) and (groups, K, K), float64.

    H = cov(z, z) + r I and V = (cov(y, z) + r W) H^-1: a layer can take back what the layers before it did to
    its inputs, as far as that shows in them. r is `ridge` times the mean variance of an input: without it
    V would fit the noise of few images. The error of any other weight U is that of V and
    (U - V) H (U - V)^T.
    """
    covariance = moments.covariance
    r = ridge * covariance.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] + _TINY
    h = covariance + torch.eye(weight.shape[2], dtype=torch.float64) * r
    factor = torch.linalg.cholesky(h)
    return torch.cholesky_solve((moments.cross + r * weight).mT, factor).mT, h


def best_ridge(weight: torch.Tensor, one: Moments, other: Moments) -> float:
    """The ridge whose V, made from either half of the images, has the least error on the other half.

    From the greatest on, as long as the error falls.
    """
    best, least = _RIDGES[-1], math.inf
    for ridge in reversed(_RIDGES):
        error = 0.0
        for seen, unseen in ((one, other), (other, one)):
            v, _ = compensating(weight, seen, ridge)
            # |V z - y|^2 without |y|^2, which is the same for all.
            error += float(((v @ unseen.covariance - 2.0 * unseen.cross) * v).sum())
        if error >= least:
            break
        best, least = ridge, error
    return best


def descend(grid: Grid, v: torch.Tensor, h: torch.Tensor, passes: int) -> None:
    """Lowers (s q - V) H (s q - V)^T: each code in turn to its best value, then each scale.

    Coordinate descent (K. Behdin et al., "QuantEase: Optimization-based Quantization for Language Models",
    2023). With g = (s q - V) H the error is least in weight k at w_k - g_k / H_kk, and among codes at the
    nearest to that; for codes that stay at s = q H V^T / q H q^T. No step raises the error. It ends after
    a pass that changes no code, or after `passes`.
    """
    for _ in range(passes):
        before = grid.codes.clone()
        g = (grid.weight - v) @ h
        for first in range(0, len(h), _BLOCK):
            block = slice(first, min(first + _BLOCK, len(h)))
            moved = _descend_in(grid, g[:, block], h[block, block], block)
            g[:, block.stop :] += moved @ h[block, block.stop :]
        if grid.free.any():
            _fit_scale(grid, v, h)
        if torch.equal(grid.codes, before):
            return


def _descend_in(grid: Grid, g: torch.Tensor, h: torch.Tensor, block: slice) -> torch.Tensor:
    """One pass over the columns of a block; (oc, block): by how much their weights moved."""
    moved = torch.zeros_like(g)
    for k in range(len(h)):
        codes = grid.codes[:, block.start + k]
        best = codes * grid.scale - g[:, k] / h[k, k]
        new = grid.nearest(best[:, None])[:, 0]
        moved[:, k] = (new - codes) * grid.scale
        g += moved[:, k : k + 1] * h[k]
        grid.codes[:, block.start + k] = new
    return moved


def _fit_scale(grid: Grid, v: torch.Tensor, h: torch.Tensor) -> None:
    """The best scales for the codes, as float32 holds them; a row without a good one keeps its own."""
    qh = grid.codes @ h
    along, square = (qh * v).sum(1), (qh * grid.codes).sum(1)
    best = torch.maximum((along / square).float().double(), grid.least)
    grid.scale = torch.where(grid.free & (along > 0) & (square > 0), best, grid.scale)
