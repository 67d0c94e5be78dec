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
class Span:
    """An interval with finite ends."""

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False

    @staticmethod
    def of(axis: Axis) -> Span:
        """Of an infinite interval, what is shown of it."""
        low, high = axis.low_value, axis.high_value
        if math.isinf(low):
            low = -REACH if math.isinf(high) else high - REACH
        if math.isinf(high):
            high = max(low, 0.0) + REACH if math.isinf(axis.low_value) else low + REACH
        return Span(low, high, axis.low_open, axis.high_open)

    def contains(self, x: sympy.Symbol) -> sympy.Basic:
        """The condition that x lies in it; as fractions, the ends are printed with all their digits."""
        low, high = sympy.Rational(self.low), sympy.Rational(self.high)
        return sympy.And(x > low if self.low_open else x >= low, x < high if self.high_open else x <= high)


@dataclass(frozen=True)
class Window:
    """The bounded part of a domain that a figure shows: a box, without the holes in it.

    Attributes:
        axes: of the box, one for each variable.
        holes: closed boxes; of a point, both ends are the same.
    """

    axes: tuple[Span, ...]
    holes: tuple[tuple[Span, ...], ...]

    @staticmethod
    def of(domain: Domain) -> Window:
        holes = tuple(tuple(Span(side.low_value, side.high_value) for side in hole) for hole in domain.holes)
        return Window(tuple(_shown(domain, i) for i in range(domain.dimension)), holes)

    def points(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """About `COUNT` points along the first axis, equally far apart between the ends of holes.

        Open ends are left out. In a hole, where they do not belong to the domain, every curve has a gap.
        """
        low, high = self.axes[0].low, self.axes[0].high
        sides = [hole[0] for hole in self.holes]
        ends = sorted({low, high, *(end for side in sides for end in (side.low, side.high) if low < end < high)})
        counts = [max(8, round(COUNT * (right - left) / (high - low))) for left, right in pairwise(ends)]
        grids = [np.linspace(*pair, count + 1) for pair, count in zip(pairwise(ends), counts, strict=True)]
        points = np.unique(np.concatenate(grids))
        return points[int(self.axes[0].low_open) : len(points) - int(self.axes[0].high_open)]

    def contains(self, *coordinates: sympy.Symbol) -> sympy.Basic:
        """The condition that a point lies in it."""
        box, *holes = (
            sympy.And(*(span.contains(x) for span, x in zip(spans, coordinates, strict=True)))
            for spans in (self.axes, *self.holes)
        )
        return sympy.And(box, *map(sympy.Not, holes))


def _shown(domain: Domain, i: int) -> Span:
    """The i-th axis from the first to the last point of the domain: a hole as wide as the box may cut an end off."""
    others = [axis for j, axis in enumerate(domain.axes) if j != i]
    cuts = [hole for hole in domain.holes if _covers([side for j, side in enumerate(hole) if j != i], others)]
    parts = Domain(domain.text, (domain.axes[i],), tuple((hole[i],) for hole in cuts)).components
    if not parts:
        raise ValueError(f"the holes leave nothing of {domain.text}")
    first, last = Span.of(parts[0]), Span.of(parts[-1])
    return Span(first.low, last.high, first.low_open, last.high_open)


def _covers(hole: list[Axis], axes: list[Axis]) -> bool:
    return all(
        side.low_value <= axis.low_value and axis.high_value <= side.high_value
        for side, axis in zip(hole, axes, strict=True)
    )
