"""Is a formula locally Lipschitz on a domain? The certificate, or the point where it is not, or why nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

from flint import arb

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._cells import Box, Cell, Cells, is_bounded, subdivide
from implicit_lib.theory._domain import Axis, Domain
from implicit_lib.theory._enclosure import PRECISION, Enclosure, enclose
from implicit_lib.theory._evidence import slopes_towards
from implicit_lib.theory._exact import is_joined, is_regular_beside, resolved, switches, vanishes_only_at
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Interval, Real
from implicit_lib.theory._places import LINE, Place, Region, at_typed, places_in
from implicit_lib.theory._refutation import refutation
from implicit_lib.theory._tree import Node
from implicit_lib.theory._verdict import Verdict
from implicit_lib.theory._written import written


@dataclass
class Survey:
    """What is known of a formula on a domain.

    Attributes:
        bounded: boxes with a bound of the slope on each.
        unbounded: boxes without one: the last ones beside open ends, and holes that the formula does not cross.
        lines: the certificate so far.
        failure: the verdict that it is not locally Lipschitz, or that this is undecided.
        name: of the function, for the verdict.
    """

    bounded: list[tuple[Box, Real]] = field(default_factory=list)
    unbounded: list[Box] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    failure: Verdict | None = None
    name: str = "F"

    def verdict(self, formula: Formula, domain: Domain) -> Verdict:
        if self.failure is not None:
            return Verdict(
                self.failure.kind, self.failure.statement, self.failure.at, (*self.lines, *self.failure.lines)
            )
        return Verdict(
            "certified", f"{self.name} = {formula.text} is locally Lipschitz on {domain.text}", None, tuple(self.lines)
        )


@dataclass(frozen=True)
class End:
    """An end of an interval: exactly, and as a ball. The expression is None at infinity."""

    node: Node | None
    ball: Real

    @staticmethod
    def of(node: Node | None, infinite: Real) -> End:
        return End(node, infinite) if node is None else End(node, enclose(Formula("", (), node), ()).value)


def survey(formula: Formula, domain: Domain, name: str = "F") -> Survey:
    """Look at a formula in one or two variables on a domain, cell by cell."""
    found = Survey(name=name)
    with iv.working_precision(PRECISION):
        (_survey_line if domain.dimension == 1 else _survey_plane)(formula, domain, found)
    return found


def _survey_line(formula: Formula, domain: Domain, found: Survey) -> None:
    parts = domain.components
    for part in parts:
        _survey_interval(formula, part, found)
        if found.failure:
            return
    for left, right in pairwise(parts):
        _survey_gap(formula, left, right, found)


def _survey_interval(formula: Formula, part: Axis, found: Survey) -> None:
    low, high = End.of(part.low, -iv.INFINITY), End.of(part.high, iv.INFINITY)
    inner = _switches_within(formula, low, high)
    at_ends = [any(end.node == node for _, node in switches(formula.tree, formula.variables)) for end in (low, high)]
    ends = [low, *inner, high]
    for i, (a, b) in enumerate(pairwise(ends)):
        first, last = i == 0, i == len(ends) - 2
        low_open = not first or part.low_open or at_ends[0]
        high_open = not last or part.high_open or at_ends[1]
        side = iv.interval(a.ball, b.ball, low_open, high_open)
        places = (
            _end_place(formula, a, low, high) if not (first and part.low_open) else None,
            _end_place(formula, b, low, high) if not (last and part.high_open) else None,
        )
        _survey_span(formula, side, (a, b), places, _between(low, high), found)
        if found.failure:
            return
    typed = ((low, part.low_open, at_ends[0]), (high, part.high_open, at_ends[1]))
    for joint in (*inner, *(end for end, is_open, is_switch in typed if is_switch and not is_open)):
        _join(formula, joint, (low, high), found)
        if found.failure:
            return


def _between(low: End, high: End) -> Region:
    """The points that certainly lie between two ends."""
    return Region((Interval(low.ball.upper(), high.ball.lower(), True, True),))


def _end_place(formula: Formula, end: End, low: End, high: End) -> Place:
    """The place of an end, or of a point between two ends, from which the domain goes on to one side or both."""
    assert end.node is not None  # infinity does not belong to a domain
    directions = tuple(direction for direction, last in zip(LINE, (high, low), strict=True) if end is not last)
    return at_typed(formula.variables[0], end.node, directions)


def _switches_within(formula: Formula, low: End, high: End) -> list[End]:
    """The places strictly inside an interval where conditions change, from left to right, each once."""
    ends: list[End] = []
    for _, node in switches(formula.tree, formula.variables):
        end = End.of(node, iv.INFINITY)
        if low.ball < end.ball < high.ball and not any(end.ball.overlaps(other.ball) for other in ends):
            ends.append(end)
    return sorted(ends, key=lambda end: end.ball.mid())


def _survey_span(
    formula: Formula,
    side: Interval,
    ends: tuple[End, End],
    places: tuple[Place | None, Place | None],
    region: Region,
    found: Survey,
) -> None:
    open_ends = {
        end.node: sign for end, sign, is_open in zip(ends, (1, -1), side[2:], strict=True) if is_open and end.node
    }
    here = Formula(formula.text, formula.variables, resolved(formula.tree, formula.variables, (side,), open_ends))

    def excuse(cell: Cell, enclosure: Enclosure) -> bool:
        at = _end_of(cell, side)
        return at is not None and places[at] is None and _is_beside(formula, enclosure, cell, ends[at].node)

    cells = subdivide(here, (side,), excuse)
    _record(cells, formula, found)
    for cell, enclosure in cells.excused:
        end = ends[_end_of(cell, side) or 0]
        found.lines.append(f"towards {_at(formula, end)}: {_parts(enclosure)}: singular at that end only")
    if cells.complete and not cells.obstructed:
        return
    cell, enclosure = cells.obstructed[0]
    at = _end_of(cell, side)
    found.failure = _failure(formula, cell, enclosure, None if at is None else places[at], region, cells, found.name)


def _end_of(cell: Cell, side: Interval) -> int | None:
    """Which end of a side a cell in one variable touches: 0 or 1."""
    return next((i for i in (0, 1) if cell.box[0][i] == side[i]), None)


def _is_beside(formula: Formula, enclosure: Enclosure, cell: Cell, end: Node | None) -> bool:
    return end is not None and all(
        is_regular_beside(each, formula.variables[0], cell.box[0], end) for each in enclosure.obstacles
    )


def _failure(
    formula: Formula, cell: Cell, enclosure: Enclosure, end: Place | None, region: Region, cells: Cells, name: str
) -> Verdict:
    """The verdict on a cell that is obstructed: at the end of the domain that it touches, or at a point inside."""
    at = tuple(float(_finite_middle(side)) for side in cell.box)
    if cells.exhausted:
        reason = f"no proof within the {len(cell.box)}-dimensional budget of cells"
        return Verdict("undecided", f"{reason}; near {_where(formula, at)}", at)
    places = [*([] if end is None else [end]), *places_in(formula, cell.box, region)]
    for place in places:
        refuted = refutation(formula, place, name)
        if refuted is not None:
            return refuted
    at = places[0].at if places else at
    reason = f"no bound of the slope was found, and no proof that there is none: {_parts(enclosure)}"
    lines = slopes_towards(formula, tuple(map(arb, at)), region)
    return Verdict("undecided", f"near {_where(formula, at)} {reason}", at, lines)


def _where(formula: Formula, at: tuple[float, ...]) -> str:
    return ", ".join(f"{name} = {value:.12g}" for name, value in zip(formula.variables, at, strict=True))


def _finite_middle(side: Interval) -> Real:
    return (side.low + side.high) / 2 if is_bounded(side) else side.low if side.low.is_finite() else side.high


def _parts(enclosure: Enclosure) -> str:
    """The obstacles in words, each once."""
    return ", ".join(dict.fromkeys(f"{each.kind} of {written(each.part)}" for each in enclosure.obstacles))


def _at(formula: Formula, end: End) -> str:
    return f"{formula.variables[0]} = {'∞' if end.node is None else written(end.node)}"


def _record(cells: Cells, formula: Formula, found: Survey) -> None:
    found.bounded += [(cell.box, cell.slope) for cell in cells.bounded]
    found.unbounded += [cell.box for cell in cells.tails]
    found.unbounded += [cell.box for cell, _ in cells.excused]
    if cells.bounded:
        steepest = max((cell.slope for cell in cells.bounded), key=lambda slope: slope.mid())
        hull = [_hull([cell.box[i] for cell in cells.bounded]) for i in range(len(formula.variables))]
        count = f"{len(cells.bounded)} cell{'s' if len(cells.bounded) > 1 else ''}"
        found.lines.append(f"on {' x '.join(map(_text, hull))}: slopes up to {float(steepest):.6g}, in {count}")
    found.lines += [
        f"on {' x '.join(map(_text, cell.box))}: locally Lipschitz, without a bound for all slopes"
        for cell in cells.tails[:3]
    ]
    if len(cells.tails) > 3:
        found.lines.append(f"and so on {len(cells.tails) - 3} more cells beside open ends")


def _hull(sides: Sequence[Interval]) -> Interval:
    result = sides[0]
    for side in sides[1:]:
        result = iv.hull(result, side)
    return result


def _text(side: Interval) -> str:
    return (
        f"{'(' if side.low_open else '['}{float(side.low):.6g}, {float(side.high):.6g}{')' if side.high_open else ']'}"
    )


def _join(formula: Formula, joint: End, ends: tuple[End, End], found: Survey) -> None:
    assert joint.node is not None  # conditions change at places that were typed
    if is_joined(formula, joint.node, _sides(joint, *ends), belongs=True):
        found.lines.append(f"at {_at(formula, joint)}: the cases agree, exactly")
        return
    place = _end_place(formula, joint, *ends)
    found.failure = refutation(formula, place, found.name)
    if found.failure is None:
        reason = f"no proof was found that the cases join at {_at(formula, joint)} with a bounded slope"
        lines = slopes_towards(formula, tuple(map(arb, place.at)), _between(*ends))
        found.failure = Verdict("undecided", f"{reason}, and none to the contrary", place.at, lines)


def _sides(place: End, low: End, high: End) -> list[Interval]:
    """Short open intervals between two ends, on both sides of a place, or on the one side where it is an end."""
    length = arb(1) if low.node is None or high.node is None else high.ball - low.ball
    length = (length / 1024).mid()
    sides = []
    if place is not low:
        sides.append(iv.interval((place.ball - length).mid(), place.ball, False, True))
    if place is not high:
        sides.append(iv.interval(place.ball, (place.ball + length).mid(), True, False))
    return sides


def _survey_gap(formula: Formula, left: Axis, right: Axis, found: Survey) -> None:
    """Whether the formula goes on across a hole: only then are the two sides near to each other."""
    low, high = End.of(left.high, iv.INFINITY), End.of(right.low, iv.INFINITY)
    box = (iv.interval(low.ball, high.ball),)
    if left.high == right.low and left.high is not None:
        joined = is_joined(
            formula, left.high, _sides(low, End(None, -iv.INFINITY), End(None, iv.INFINITY)), belongs=False
        )
        slope = iv.ZERO if joined else iv.INFINITY
    else:
        margin = arb(2) ** -20
        slope = enclose(formula, (iv.interval(low.ball - margin, high.ball + margin),)).slope
    if slope.is_finite():
        found.bounded.append((box, slope))
    else:
        found.unbounded.append(box)
        found.lines.append(f"the hole at {_at(formula, low)} is not crossed: the radius ends there")


def _survey_plane(formula: Formula, domain: Domain, found: Survey) -> None:
    region = tuple(
        iv.interval(
            End.of(axis.low, -iv.INFINITY).ball, End.of(axis.high, iv.INFINITY).ball, axis.low_open, axis.high_open
        )
        for axis in domain.axes
    )
    inner = tuple(
        Interval(
            End.of(axis.low, -iv.INFINITY).ball.upper(),
            End.of(axis.high, iv.INFINITY).ball.lower(),
            axis.low_open,
            axis.high_open,
        )
        for axis in domain.axes
    )
    holes = [
        tuple(iv.interval(End.of(side.low, -iv.INFINITY).ball, End.of(side.high, iv.INFINITY).ball) for side in hole)
        for hole in domain.holes
    ]
    for box in _without_holes(region, holes):
        hole = next((hole for hole in holes if _covers(hole, box)), None)
        if hole is not None:
            slope = enclose(formula, box).slope
            found.bounded += [(box, slope)] if slope.is_finite() else []
            found.unbounded += [] if slope.is_finite() else [box]
            continue
        cells = subdivide(formula, box, lambda cell, enclosure: _is_around_a_hole(formula, domain, enclosure))
        _record(cells, formula, found)
        found.lines += [f"beside a hole: {_parts(each)}: singular in the hole only" for _, each in cells.excused]
        if not cells.complete or cells.obstructed:
            cell, enclosure = cells.obstructed[0]
            found.failure = _failure(formula, cell, enclosure, None, Region(inner, tuple(holes)), cells, found.name)
            return


def _without_holes(region: Box, holes: Sequence[Box]) -> Iterator[Box]:
    """The region cut along all sides of the holes."""
    sides = []
    for axis, side in enumerate(region):
        cuts = [end for hole in holes for end in hole[axis][:2] if side.low < end < side.high]
        ends = [side.low, *sorted(set(cuts), key=lambda end: end.mid()), side.high]
        last = len(ends) - 2
        sides.append(
            [
                Interval(a, b, side.low_open and i == 0, side.high_open and i == last)
                for i, (a, b) in enumerate(pairwise(ends))
            ]
        )
    return product(*sides)


def _covers(hole: Box, box: Box) -> bool:
    return all(h.low <= b.low and b.high <= h.high for h, b in zip(hole, box, strict=True))


def _is_around_a_hole(formula: Formula, domain: Domain, enclosure: Enclosure) -> bool:
    """Whether all obstacles in a cell are zeros of expressions that vanish at a left-out point only."""
    points = [
        {name: side.low for name, side in zip(formula.variables, hole, strict=True)}
        for hole in domain.holes
        if all(side.low == side.high for side in hole)
    ]
    return all(
        each.guard is not None and any(vanishes_only_at(each.guard, point) for point in points)
        for each in enclosure.obstacles
    )
