"""The range of a formula, or of its slope, on a domain: certified bounds, close where the budget allows."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._cells import MIDPOINTS, Box, Cell, at_point, halves, is_bounded, middle_of, widest
from implicit_lib.theory._domain import Domain
from implicit_lib.theory._enclosure import enclose
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Interval
from implicit_lib.theory._radius import rounded_down
from implicit_lib.theory._survey import End

# How many cells are halved for each bound, unless a value that close to it, relatively, has been seen before.
BUDGET = 400
CLOSE = 1e-9
# A bound that is infinite after so many halvings of a side is taken to stay so.
SMALLEST = 60


def value_range(formula: Formula, domain: Domain) -> tuple[float, float]:
    """Bounds (low, high) of all values that a formula takes on a domain, where it is defined.

    They are certified: rounded outward, infinite where no bound was found. Both are sharp to about 1e-9 if a few
    hundred cells are enough.
    """
    return _range(domain, lambda box: _values(formula, box))


def _values(formula: Formula, box: Box) -> Interval:
    """The enclosure of the values, cut to what the slopes leave around the value at the centre."""
    enclosure = enclose(formula, box)
    if not enclosure.slope.is_finite() or not all(map(is_bounded, box)):
        return enclosure.range
    centre = tuple(map(middle_of, box))
    around = enclose(formula, at_point(centre)).range
    for side, slope in zip(box, enclosure.gradient, strict=True):
        # nothing is farther from the centre than the whole side
        reach = (side.high - side.low) * slope.abs_upper()
        around = iv.add(around, iv.interval(-reach, reach))
    value = enclosure.range
    return Interval(max(value.low, around.low), min(value.high, around.high))


def derivative_range(formula: Formula, domain: Domain) -> tuple[float, float]:
    """Bounds (low, high) of the derivative of a formula in one variable, and of all slopes across kinks, on a domain.

    As `value_range`; infinite where the formula may not be Lipschitz.

    Raises:
        ValueError: the formula has more than one variable.
    """
    if len(formula.variables) != 1:
        raise ValueError(f"the derivative is for one variable, but the formula has {', '.join(formula.variables)}")

    def slopes(box: Box) -> Interval:
        enclosure = enclose(formula, box)
        return iv.EVERYTHING if enclosure.obstacles else iv.interval(enclosure.gradient[0], enclosure.gradient[0])

    return _range(domain, slopes)


def _range(domain: Domain, enclosed: Callable[[Box], Interval]) -> tuple[float, float]:
    with iv.working_precision(MIDPOINTS):
        boxes = domain_boxes(domain)
        high = upper_bound(boxes, enclosed).bound
        low = upper_bound(boxes, lambda box: iv.negative(enclosed(box))).bound
        return rounded_down(-low), -rounded_down(-high)


def domain_boxes(domain: Domain) -> list[Box]:
    """Boxes that cover a domain: its intervals, or the whole box with its holes."""
    parts = [(part,) for part in domain.components] if domain.dimension == 1 else [domain.axes]
    return [
        tuple(
            iv.interval(
                End.of(axis.low, -iv.INFINITY).ball, End.of(axis.high, iv.INFINITY).ball, axis.low_open, axis.high_open
            )
            for axis in part
        )
        for part in parts
    ]


@dataclass(frozen=True)
class Supremum:
    """A bound of a function from above, and its largest value that was seen, with the point."""

    bound: iv.Real
    seen: iv.Real
    at: tuple[float, ...]


def upper_bound(boxes: Sequence[Box], enclosed: Callable[[Box], Interval]) -> Supremum:
    """By branch and bound: halve the cell with the largest bound, until a value near it has been seen."""
    order = count()
    heap = [(_priority(bound := enclosed(box).high), next(order), bound, Cell(box, (0,) * len(box))) for box in boxes]
    heapq.heapify(heap)
    seen, at = -iv.INFINITY, tuple(math.nan for _ in boxes[0])
    for _ in range(BUDGET):
        _, _, bound, cell = heap[0]
        centre = tuple(map(middle_of, cell.box))
        value = enclosed(at_point(centre)).low
        if value > seen:
            seen, at = value, tuple(map(float, centre))
        if bound <= seen + CLOSE * max(iv.ONE, abs(seen)) or not (bound.is_finite() or max(cell.halvings) <= SMALLEST):
            break
        heapq.heappop(heap)
        for half in halves(cell, widest(cell)):
            bound = enclosed(half.box).high
            heapq.heappush(heap, (_priority(bound), next(order), bound, half))
    return Supremum(heap[0][2], seen, at)


def _priority(bound: iv.Real) -> float:
    return -float(bound)
