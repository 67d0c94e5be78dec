"""The Lipschitz radius of a formula, as a certified lower bound that is itself 1-Lipschitz.

The Lipschitz radius r(x) of F is the supremum of the r in (0, 1/2] such that F is Lipschitz on B(x, r) ∩ X with
constant at most 1/r. Here the domain X, with the holes inside its box, is covered by closed cells I_j, and M_j is a
certified Lipschitz constant of F on the cell, ∞ where there is none. The lower bound is

    r̂(x) = min(1/2, min_j max(dist(x, I_j), 1/M_j)).

It is 1-Lipschitz, since a distance to a set is, and maxima and minima of 1-Lipschitz functions and constants are.
It is at most r(x): let r = r̂(x) > 0, and take two points of X in the open ball B(x, r). The segment between them lies
in the ball and in the box, so every cell that it meets is nearer to x than r. For these cells max(dist, 1/M_j) ≥ r
leaves only M_j ≤ 1/r, hence they have finite constants: the segment does not cross a hole that F does not cross. Where
it passes from cell to cell F is continuous, so the increments add up to at most 1/r times the length of the segment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from implicit_lib.theory._cells import Box
from implicit_lib.theory._interval import Real

LARGEST_RADIUS = 0.5
# Entries of the table of distances that are computed at a time.
CHUNK = 1 << 22
# Above the error of a distance computed in double precision, relative.
ROUNDING = 2.0**-50


class LipschitzRadius:
    """r̂ for a table of cells and their constants.

    Args:
        lows: of the cells, (J, d).
        highs: of the cells, (J, d).
        inverses: 1/M_j, rounded down, (J,).
    """

    def __init__(self, lows: npt.ArrayLike, highs: npt.ArrayLike, inverses: npt.ArrayLike) -> None:
        table = [torch.as_tensor(np.asarray(each, dtype=np.float64)) for each in (lows, highs, inverses)]
        # a cell with 1/M at least 1/2 cannot make the radius smaller
        matters = table[2] < LARGEST_RADIUS
        self.lows, self.highs, self.inverses = (each[matters] for each in table)

    @staticmethod
    def of_cells(bounded: Sequence[tuple[Box, Real]], unbounded: Sequence[Box]) -> LipschitzRadius:
        """From cells with their constants, and cells without; everything is rounded to the safe side."""
        boxes = [box for box, _ in bounded] + list(unbounded)
        inverses = [_inverse(slope) for _, slope in bounded] + [0.0] * len(unbounded)
        dimension = len(boxes[0])
        lows = np.array([[rounded_down(side.low) for side in box] for box in boxes]).reshape(-1, dimension)
        highs = np.array([[-rounded_down(-side.high) for side in box] for box in boxes]).reshape(-1, dimension)
        return LipschitzRadius(lows, highs, inverses)

    @overload
    def __call__(self, points: Tensor) -> Tensor: ...
    @overload
    def __call__(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]: ...
    def __call__(self, points: npt.ArrayLike | Tensor) -> npt.NDArray[np.float64] | Tensor:
        """r̂ at points, (…, d): an array or a tensor (…,), differentiable almost everywhere. NaN stays NaN.

        The formula is evaluated in double precision and rounded down.
        """
        if not isinstance(points, Tensor):
            return self(torch.as_tensor(np.asarray(points, dtype=np.float64))).numpy()
        flat = points.reshape(-1, points.shape[-1]).double()
        lows, highs, inverses = (each.to(points.device) for each in (self.lows, self.highs, self.inverses))
        rows = max(1, CHUNK // max(1, lows.numel()))
        parts = [_smallest(part, lows, highs, inverses) for part in torch.split(flat, rows)]
        return torch.cat(parts).reshape(points.shape[:-1]).to(points.dtype)


def _smallest(points: Tensor, lows: Tensor, highs: Tensor, inverses: Tensor) -> Tensor:
    cap = torch.full_like(points[:, 0], LARGEST_RADIUS) + 0 * points.sum(dim=1)
    if not len(inverses):
        return cap
    # axis by axis, (N, J) each: a short last axis would be slow
    beyond = [
        torch.maximum(low - x[:, None], x[:, None] - high).clamp(min=0)
        for x, low, high in zip(points.unbind(1), lows.unbind(1), highs.unbind(1), strict=True)
    ]
    distance = beyond[0] if len(beyond) == 1 else torch.stack(beyond).norm(dim=0)
    return torch.minimum(cap, torch.maximum((1 - ROUNDING) * distance, inverses).amin(dim=1))


def _inverse(slope: Real) -> float:
    return math.inf if slope.is_zero() else max(0.0, rounded_down((1 / slope).lower()))


def rounded_down(number: Real) -> float:
    return math.nextafter(float(number), -math.inf) if not _is_float(number) else float(number)


def _is_float(number: Real) -> bool:
    return not number.is_finite() or number == float(number)
