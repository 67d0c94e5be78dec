"""A box cut into cells on each of which the slope of a formula is bounded, with the cells in which it could not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._enclosure import Enclosure, enclose
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Interval, Real

Box = tuple[Interval, ...]

# How often a side is halved towards a singular place: a 2^-60th of the domain in one variable, and in two, where the
# cells towards a corner multiply, a 2^-24th.
DEPTHS = {1: 60, 2: 24}
# How many enclosures are spent before the question is given up as undecided.
BUDGET = 6000
# Bits that hold the ends of all cells exactly.
MIDPOINTS = 1024
# Cells with slopes up to this are not worth refining: the Lipschitz radius is at most 1/2.
GENTLE = 2
# Cells made by fewer halvings than this are refined wherever the slope varies.
COARSE = 6


@dataclass(frozen=True)
class Cell:
    """A box, and the slope that the formula has on it at most: its Lipschitz constant there, or ∞.

    `halvings` counts how often each side was halved, `refined` how often since the slope was bounded.
    """

    box: Box
    halvings: tuple[int, ...]
    slope: Real = iv.INFINITY
    refined: int = 0


@dataclass
class Cells:
    """A subdivision.

    Attributes:
        bounded: the cells on which the slope is bounded.
        tails: the smallest cells beside open ends: locally Lipschitz on them without the end, but with no bound.
        excused: the smallest cells with obstacles that the caller excuses.
        obstructed: the smallest cells with other obstacles: something may be singular there, as the enclosure says.
        complete: whether these cells cover the box.
        exhausted: whether the budget ended before the subdivision; `obstructed` then holds what is left.
    """

    bounded: list[Cell] = field(default_factory=list)
    tails: list[Cell] = field(default_factory=list)
    obstructed: list[tuple[Cell, Enclosure]] = field(default_factory=list)
    excused: list[tuple[Cell, Enclosure]] = field(default_factory=list)
    complete: bool = False
    exhausted: bool = False


def subdivide(formula: Formula, box: Box, excuse: Callable[[Cell, Enclosure], bool]) -> Cells:
    """Halve a box until the slope is bounded on every cell, and not much larger than at its corners.

    Cells beside an open end are taken last, and the subdivision stops at the first small cell away from all open ends
    that stays obstructed: there the formula is likely not to be locally Lipschitz.

    Args:
        formula: in one or two variables.
        box: its sides may be unbounded, and know their open ends.
        excuse: whether the formula is known to be locally Lipschitz where a smallest cell with obstacles meets the
            domain.
    """
    cells = Cells()
    inner, outer = [Cell(box, (0,) * len(box))], list[Cell]()
    for _ in range(BUDGET):
        if not inner and not outer:
            cells.complete = True
            return cells
        cell = inner.pop() if inner else outer.pop()
        enclosure = enclose(formula, cell.box)
        axis = _axis_to_halve(cell, enclosure)
        if enclosure.slope.is_finite():
            cell = replace(cell, slope=enclosure.slope)
            if axis is None or _is_close(formula, cell):
                cells.bounded.append(cell)
                continue
            cell = replace(cell, refined=cell.refined + 1)
        elif axis is None and enclosure.obstacles and excuse(cell, enclosure):
            cells.excused.append((cell, enclosure))
            continue
        elif axis is None and not enclosure.obstacles and not _is_inside(cell):
            cells.tails.append(cell)
            continue
        elif axis is None or any(each.certain for each in enclosure.singularities):
            cells.obstructed.append((cell, enclosure))
            if _is_inside(cell):
                return cells
            continue
        assert axis is not None  # one that is obstructed everywhere or cannot be halved has been dealt with
        with iv.working_precision(MIDPOINTS):
            for half in halves(cell, axis):
                (inner if _is_inside(half) else outer).append(half)
    cells.exhausted = True
    cells.obstructed += [(cell, enclose(formula, cell.box)) for cell in (inner + outer)[:1]]
    return cells


def halves(cell: Cell, axis: int) -> Iterator[Cell]:
    """The two halves along an axis. The working precision must hold the midpoint, which the callers see to."""
    side = cell.box[axis]
    middle = middle_of(side)
    halvings = tuple(count + (i == axis) for i, count in enumerate(cell.halvings))
    for part in (
        Interval(side.low, middle, side.low_open, False),
        Interval(middle, side.high, False, side.high_open),
    ):
        yield replace(cell, box=(*cell.box[:axis], part, *cell.box[axis + 1 :]), halvings=halvings)


def middle_of(side: Interval) -> Real:
    """The midpoint; of an unbounded interval a point from which on the other half is twice as far away."""
    if is_bounded(side):
        return ((side.low + side.high) / 2).mid()
    if side.low.is_finite():
        return (2 * side.low).mid() if side.low >= 1 else iv.ONE
    if side.high.is_finite():
        return (2 * side.high).mid() if side.high <= -1 else -iv.ONE
    return iv.ZERO


def corners(box: Box) -> Iterator[tuple[Real, ...]]:
    return product(*((side.low,) if side.is_point() else (side.low, side.high) for side in box))


def at_point(point: tuple[Real, ...]) -> Box:
    return tuple(iv.interval(coordinate, coordinate) for coordinate in point)


def widest(cell: Cell) -> int:
    """The side to halve next: an unbounded one, or else the one halved least."""
    return min(range(len(cell.box)), key=lambda axis: (is_bounded(cell.box[axis]), cell.halvings[axis]))


def is_bounded(side: Interval) -> bool:
    return bool(side.low.is_finite() and side.high.is_finite())


def is_at_open_end(side: Interval) -> bool:
    return side.low_open or side.high_open or not is_bounded(side)


def _is_inside(cell: Cell) -> bool:
    return not any(map(is_at_open_end, cell.box))


def _axis_to_halve(cell: Cell, enclosure: Enclosure) -> int | None:
    """Towards the open ends first, so that cells beside them become narrow; then where the slope varies most."""
    axes = [i for i, side in enumerate(cell.box) if cell.halvings[i] < DEPTHS[len(cell.box)] and not side.is_point()]
    if not enclosure.slope.is_finite():
        open_axes = [i for i in axes if is_at_open_end(cell.box[i])]
        # only an open end explains a slope that is unbounded with nothing in the way; else the enclosure is too wide
        candidates = open_axes or (axes if enclosure.obstacles or _is_inside(cell) else [])
        return min(candidates, key=lambda i: cell.halvings[i], default=None)
    if not all(map(is_bounded, cell.box)):
        return next((i for i in axes if not is_bounded(cell.box[i])), None)
    return max(axes, key=lambda i: _variation(enclosure.gradient[i], cell.box[i]), default=None)


def _variation(slope: Real, side: Interval) -> float:
    return float(slope.abs_upper() * (side.high - side.low))


def _is_close(formula: Formula, cell: Cell) -> bool:
    """Whether a bound is small, or close to the slopes at corners and centre, or has been refined enough."""
    if cell.slope <= GENTLE:
        return True
    if not all(map(is_bounded, cell.box)):
        return False
    if cell.refined >= 3 - len(cell.box) and sum(cell.halvings) >= COARSE:
        return True
    centre = tuple(map(middle_of, cell.box))
    return all(2 * slope_at(formula, point) >= cell.slope for point in (*corners(cell.box), centre))


def slope_at(formula: Formula, point: tuple[Real, ...]) -> Real:
    """A lower bound of the length of the gradient at a point; 0 where there may be none."""
    enclosure = enclose(formula, at_point(point))
    if enclosure.singularities:
        return iv.ZERO
    return max((slope.abs_lower() for slope in enclosure.gradient), key=lambda bound: bound.mid())
