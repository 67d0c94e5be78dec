"""Where a figure looks at a function: a window onto its domain, and points in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import sympy

from implicit_lib.theory import Axis, Domain

COUNT = 160
# Of an infinite interval, this much is shown.
REACH = 8.0


@dataclass(frozen=True)
class Window:
    """The bounded part of a domain in one variable that a figure shows.

    Attributes:
        parts: its intervals, from left to right, cut off at infinity.
    """

    parts: tuple[tuple[float, float, bool, bool], ...]

    @staticmethod
    def of(domain: Domain) -> Window:
        return Window(tuple(_cut(axis) for axis in domain.components))

    @property
    def low(self) -> float:
        return self.parts[0][0]

    @property
    def high(self) -> float:
        return self.parts[-1][1]

    def points(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """About `COUNT` points, equally far apart in each interval; open ends are left out by one such distance.

        Between two intervals stands one point of the hole, where every curve has a gap.
        """
        total = sum(high - low for low, high, *_ in self.parts)
        grids = []
        for low, high, low_open, high_open in self.parts:
            count = max(8, round(COUNT * (high - low) / total))
            steps = np.arange(int(low_open), count + 1 - int(high_open))
            grids.append(low + (high - low) * steps / count)
        holes = [(left[1] + right[0]) / 2 for left, right in pairwise(self.parts)]
        return np.sort(np.concatenate([*grids, holes]))

    def contains(self, x: sympy.Symbol) -> sympy.Basic:
        """The condition that x lies in it."""
        conditions = [
            sympy.And(x > low if low_open else x >= low, x < high if high_open else x <= high)
            for low, high, low_open, high_open in self.parts
        ]
        return sympy.Or(*conditions)


def _cut(axis: Axis) -> tuple[float, float, bool, bool]:
    low, high = axis.low_value, axis.high_value
    if math.isinf(low):
        low = -REACH if math.isinf(high) else high - REACH
    if math.isinf(high):
        high = max(low, 0.0) + REACH if math.isinf(axis.low_value) else low + REACH
    return low, high, axis.low_open, axis.high_open
