"""The weights of a layer for ONNX: codes, zero points, and float scales that give back the file's factors."""

from __future__ import annotations

from typing import Any

import numpy as np

Layer = dict[str, Any]

_LEAST, _MOST = 2.0**-126, 2.0**127  # normal float32: a scale of 0 or infinity would give NaN


def factor(layer: Layer, multiplier: str = "multiplier") -> np.ndarray:
    """M = multiplier 2^-shift in double, exactly."""
    return np.asarray(layer[multiplier], np.float64) * np.exp2(-np.asarray(layer["shift"], np.float64))


def float_scale(real: Any) -> np.ndarray:
    return np.clip(np.abs(real), _LEAST, _MOST).astype(np.float32)


def weight_scale(layer: Layer) -> np.ndarray:
    """float32 (1) or (oc): M s_y / s_x, which is the file's own weight_scale where the factor came from it.

    The multiplier has 31 bits and a float32 24, so the way back loses nothing.
    """
    return float_scale(factor(layer) * layer["scale"] / layer["x_scale"][0])


def bias_scale(layer: Layer, scale: np.ndarray) -> np.ndarray:
    """s_x s_w in float32, as runtimes compute it themselves."""
    return float_scale(np.float32(layer["x_scale"][0]) * scale)


def signed_or_unsigned(layer: Layer, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 codes of zero point 0 wherever w - zw fits them, else uint8 with its zero points (1) or (oc)."""
    codes, zero_point = layer["weight"], layer["weight_zero_point"]
    if not layer["weight_affine"]:
        return codes, np.zeros(1, np.int8)
    centred = codes.astype(np.int16) - _along(zero_point, codes, axis, layer)
    if np.abs(centred).max() <= 127:
        return centred.astype(np.int8), np.zeros(1, np.int8)
    return codes, zero_point.astype(np.uint8)


def unsigned(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """uint8 codes and zero points (1) or (oc); signed ones are both moved by 128.

    Not int8: on an x86 without VNNI the products uint8 by int8 of ONNX Runtime saturate in 16 bits.
    """
    if layer["weight_affine"]:
        return layer["weight"], layer["weight_zero_point"].astype(np.uint8)
    return (layer["weight"].astype(np.int16) + 128).astype(np.uint8), np.full(1, 128, np.uint8)


def channels_first(layer: Layer, codes: np.ndarray) -> np.ndarray:
    """(ic, oc / groups, kh, kw) of a transposed convolution as (oc, ic / groups, kh, kw)."""
    groups = layer["groups"]
    ic, ocg, *kernel = codes.shape
    split = codes.reshape(groups, ic // groups, ocg, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(split.reshape(groups * ocg, ic // groups, *kernel))


def _along(zero_point: np.ndarray, codes: np.ndarray, axis: int, layer: Layer) -> np.ndarray:
    return zero_point.astype(np.int16).reshape([-1 if d == axis else 1 for d in range(codes.ndim)])
