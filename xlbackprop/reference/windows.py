"""Windows over the last axes of an array, cut by slicing, for convolution and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.spec.shapes import Shape, Window


def patches(x: Array, window: Window, padding: float = 0.0) -> Array:
    """(..., *length) as (..., kernel places, *places): what each window sees at each of its offsets."""
    axes = len(window.length)
    around = [(0, 0)] * (x.ndim - axes) + [(pad, pad) for pad in window.padding]
    padded = np.pad(x, around, constant_values=padding)
    return np.stack([padded[_at(*cut)] for cut in _cuts(window)], axis=-axes - 1)


def scattered(adjoint: Array, window: Window) -> Array:
    """The transpose of `patches`: (..., kernel places, *places) added up where they were cut, as (..., *length)."""
    axes = len(window.length)
    lead = adjoint.shape[: -axes - 1]
    padded = np.zeros((*lead, *(n + 2 * pad for n, pad in zip(window.length, window.padding))), dtype=adjoint.dtype)
    for k, cut in enumerate(_cuts(window)):
        padded[_at(*cut)] += adjoint[_at(k, *[slice(None)] * axes)]
    inside = tuple(slice(pad, pad + n) for n, pad in zip(window.length, window.padding))
    return np.asarray(padded[_at(*inside)])


def _at(*last: slice | int) -> Any:
    """An index of the last axes."""
    return (..., *last)


def _cuts(window: Window) -> Iterator[tuple[slice, ...]]:
    places: Shape = tuple(
        1 + (n + 2 * pad - dilation * (kernel - 1) - 1) // stride
        for n, kernel, stride, pad, dilation in zip(
            window.length, window.kernel, window.stride, window.padding, window.dilation
        )
    )
    for offset in product(*map(range, window.kernel)):
        yield tuple(
            slice(k * dilation, k * dilation + stride * (count - 1) + 1, stride)
            for k, dilation, stride, count in zip(offset, window.dilation, window.stride, places)
        )
