"""Blur kernels: a synthetic camera shake, a Gaussian, and the reading of any array as one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = NDArray[np.float64]

SHAKE_SEED = 496
"""The seed of the case's own kernel: its spectrum is the nearest to that of the measured kernels among 600 seeds."""

SIDE = 17
"""Pixels along a side of a camera shake."""

_REACH = 7.5
"""How far the path goes from its mean along an axis, in pixels: with bilinear drops it just stays on the grid."""

_WAVES = 6
"""Cosines and sines that a path is made of; the k-th has the size k⁻², so that the path is smooth."""

_MOMENTS = 1_000
"""Moments of the exposure at which the path drops light."""

NARROWEST, WIDEST = 0.1, 32.0
"""Widths of a Gaussian, in pixels: below them it is one point of light, beyond them little of a picture is left."""


class KernelError(ValueError):
    """An array that is no blur kernel; the message says what is wrong with it and what to give."""


def camera_shake(seed: int = SHAKE_SEED) -> Tensor:
    """What a shaking hand does to a point of light: a smooth random path, drawn on a grid without steps.

    The default is the kernel of the case. It stands in for the kernels measured by Levin, Weiss, Durand and Freeman
    (Understanding and evaluating blind deconvolution algorithms, CVPR 2009), which no package may pass on, and has
    their statistics: 1/Σk² = 25.8, and on a 64 × 64 grid a median |H| of .118 and a lowest tenth below .045. Other
    seeds scatter around these values.

    Args:
        seed: of the path. The same one gives the same kernel on every machine.

    Returns:
        (17, 17), float64, nonnegative, of sum 1.
    """
    cosines, sines = np.random.default_rng(seed).standard_normal((2, 2, _WAVES))
    waves = np.arange(1, _WAVES + 1)
    angles = np.pi * np.outer(waves, np.linspace(0, 1, _MOMENTS))
    path = (cosines / waves**2) @ np.cos(angles) + (sines / waves**2) @ np.sin(angles)
    path -= path.mean(axis=1, keepdims=True)
    path *= _REACH / np.abs(path).max()
    pixels = np.arange(SIDE) - SIDE // 2
    rows, columns = np.clip(1 - np.abs(pixels[:, None] - path[:, None, :]), 0, None)
    return read_kernel(rows @ columns.T)


def gaussian(width: float) -> Tensor:
    """A Gaussian of this standard deviation in pixels: (s, s), float64, s = 2⌈3 width⌉ + 1, of sum 1.

    Raises:
        KernelError: the width is not from 0.1 to 32.
    """
    if not NARROWEST <= width <= WIDEST:
        raise KernelError(f"the width of a Gaussian must be from {NARROWEST} to {WIDEST:g} pixels, but is {width}")
    reach = int(np.ceil(3 * width))
    profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    return read_kernel(np.outer(profile, profile))


def read_kernel(values: ArrayLike | Tensor) -> Tensor:
    """Any array as a blur kernel: (h, w), float64, divided by its sum, so that the brightness of a picture stays.

    Args:
        values: (h, w), of any numeric type, nonnegative; its middle, at the index (h // 2, w // 2), is where a point
            of light stays in place. Whether it fits a picture, `Blur` tells.

    Raises:
        KernelError: it is no array of numbers, has not two axes, is empty, or an entry is negative or not finite, or
            all of them are 0.
    """
    array = _numbers(values)
    if array.ndim != 2:
        raise KernelError(f"a kernel must have two axes (height, width), but has the shape {array.shape}")
    if array.size == 0:
        raise KernelError(f"the kernel is empty, of shape {array.shape}; give at least one entry, [[1]] for no blur")
    _check("is not finite", ~np.isfinite(array), array)
    _check("is negative", array < 0, array)
    largest = array.max()
    if largest == 0:
        raise KernelError("the kernel is 0 everywhere, which leaves nothing of a picture; give a positive entry")
    scaled = array / largest  # first, since the sum of large entries may overflow, and that of tiny ones be inexact
    return torch.from_numpy(np.ascontiguousarray(scaled / scaled.sum()))


def _numbers(values: Any) -> Array:
    """`values` as float64."""
    try:
        given = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
        if given.dtype.kind not in "biuf":
            raise TypeError
        return given.astype(np.float64)
    except (TypeError, ValueError):
        raise KernelError(f"a kernel must be an array of real numbers, but is {_short(values)}") from None


def _short(values: Any) -> str:
    text = repr(values).replace("\n", " ")
    return text if len(text) <= 60 else f"{text[:57]}..."


def _check(fault: str, wrong: NDArray[np.bool_], array: Array) -> None:
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise KernelError(
            f"an entry of the kernel {fault}: {array[place]} at the index {place}; "
            "light is only ever added: give finite numbers of 0 or more"
        )
