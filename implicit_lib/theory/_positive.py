"""Is a formula positive on boxes? Shown by enclosures, or refuted at a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._cells import MIDPOINTS, Box, Cell, at_point, corners, halves, middle_of, widest
from implicit_lib.theory._enclosure import enclose
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Real

BUDGET = 4000
SMALLEST = 60


def positive_on(
    formula: Formula, boxes: Sequence[Box]
) -> tuple[Literal["refuted", "undecided"], tuple[float, ...]] | None:
    """None if the formula is defined and positive on all boxes; else a point where it is not, or may not be."""
    cells = [Cell(box, (0,) * len(box)) for box in boxes]
    for _ in range(BUDGET):
        if not cells:
            return None
        cell = cells.pop()
        enclosure = enclose(formula, cell.box)
        if enclosure.range.is_positive() and not enclosure.obstacles:
            continue
        centre = tuple(map(middle_of, cell.box))
        for point in (centre, *filter(lambda corner: _belongs(corner, cell.box), corners(cell.box))):
            if enclose(formula, at_point(point)).range.high <= 0:
                return "refuted", tuple(map(float, point))
        axis = widest(cell)
        if cell.halvings[axis] >= SMALLEST:
            return "undecided", tuple(map(float, centre))
        with iv.working_precision(MIDPOINTS):
            cells += halves(cell, axis)
    return "undecided", tuple(map(float, map(middle_of, cells[-1].box)))


def _belongs(point: tuple[Real, ...], box: Box) -> bool:
    return all(
        x.is_finite() and not (x == side.low and side.low_open) and not (x == side.high and side.high_open)
        for x, side in zip(point, box, strict=True)
    )
