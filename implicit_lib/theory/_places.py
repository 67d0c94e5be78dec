"""Points at which a formula may fail to be locally Lipschitz, known so well that its behaviour beside them can be told.

Such a point is a rational number, a number that was typed, or the zero of an expression that changes its sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from flint import arb, fmpq

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._asymptotics import Undefined, behaviour, difference_to
from implicit_lib.theory._cells import Box, at_point, is_bounded, middle_of
from implicit_lib.theory._enclosure import enclose
from implicit_lib.theory._exact import substituted, vanishes
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Interval, Real
from implicit_lib.theory._series import FINITE, LINEAR, Series, Undecided, rational, series
from implicit_lib.theory._tree import Apply, Constant, Node, Number, Piecewise

Direction = tuple[int, ...]

PRECISION = 512  # bits
# By how many widths of a cell a zero is looked for around it.
WIDER = 16
# How often the interval of a zero is halved.
HALVINGS = 400
# Around a point that is a ball anyway, this is small; an expression that has no obstacle within is continuous.
AROUND = arb(2) ** -200
LINE: tuple[Direction, ...] = ((1,), (-1,))
PLANE: tuple[Direction, ...] = (
    *((1, 0), (0, 1), (2, 1), (-1, 1), (1, -2)),
    *((-1, 0), (0, -1), (-2, -1), (1, -1), (-1, 2)),
)


@dataclass(frozen=True)
class Region:
    """A part of the domain: the points of a box that do not lie in a hole. What it says is certain."""

    box: Box
    holes: tuple[Box, ...] = ()

    def contains(self, point: tuple[Real, ...]) -> bool:
        """Whether a point certainly lies in the box, and certainly in none of the holes, which are closed."""
        inside = all(
            (side.low < each if side.low_open else side.low <= each)
            and (each < side.high if side.high_open else each <= side.high)
            for side, each in zip(self.box, point, strict=True)
        )
        return inside and all(
            any(each < side.low or each > side.high for side, each in zip(hole, point, strict=True))
            for hole in self.holes
        )

    def directions_from(self, point: tuple[Real, ...], among: tuple[Direction, ...]) -> tuple[Direction, ...]:
        """Those in which one can go on for a while from a point of the region."""
        return tuple(
            direction
            for direction in among
            if all(
                d == 0 or (side.low < each if d < 0 else each < side.high)
                for d, each, side in zip(direction, point, self.box, strict=True)
            )
        )


@dataclass(frozen=True)
class Place:
    """A point, and the directions in which the domain goes on.

    Attributes:
        variables: the names of the coordinates.
        coordinates: rational numbers, or balls around the coordinates.
        vanishes: whether an expression is continuous at the point, and exactly 0 there; False if nobody could tell.
        directions: for all small h > 0, the points p + h d belong to the domain.
        belongs: whether the point itself does.
    """

    variables: tuple[str, ...]
    coordinates: tuple[Real, ...]
    vanishes: Callable[[Node], bool]
    directions: tuple[Direction, ...]
    belongs: bool = True

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value:.12g}" for name, value in zip(self.variables, self.at, strict=True))

    @property
    def at(self) -> tuple[float, ...]:
        return tuple(float(arb(each).mid()) for each in self.coordinates)

    def here(self) -> dict[str, Series]:
        """The variables at the point."""
        return self.beside(tuple(0 for _ in self.variables))

    def beside(self, direction: Direction) -> dict[str, Series]:
        """The variables on the way p + h d."""
        return {
            name: series([(FINITE, p), (LINEAR, fmpq(d))])
            for name, p, d in zip(self.variables, self.coordinates, direction, strict=True)
        }

    def distance(self) -> str:
        """The distance from the point in words, in one variable."""
        (name,), (value,) = self.variables, self.at
        return f"|{name}|" if value == 0 else f"|{name} {'−' if value > 0 else '+'} {abs(value):.6g}|"

    def way(self, direction: Direction) -> str:
        """p + h d in words, coordinate by coordinate."""
        return ", ".join(_step(p, d) for p, d in zip(self.at, direction, strict=True))


def _step(start: float, step: int) -> str:
    length = "h" if abs(step) == 1 else f"{abs(step)} h"
    if step == 0 or start != 0:
        return f"{start:.6g}" + (f" {'+' if step > 0 else '−'} {length}" if step else "")
    return length if step > 0 else f"−{length}"


def at_rational(variables: tuple[str, ...], point: tuple[Fraction, ...], region: Region) -> Place:
    """The place of a point of a region."""
    coordinates = tuple(fmpq(each.numerator, each.denominator) for each in point)
    nodes = {name: Number(each) for name, each in zip(variables, point, strict=True)}
    directions = region.directions_from(tuple(map(arb, coordinates)), PLANE if len(point) > 1 else LINE)
    return Place(variables, coordinates, _algebra(nodes, coordinates), directions)


def at_typed(name: str, node: Node, directions: tuple[Direction, ...], belongs: bool = True) -> Place:
    """The place of an expression without variables."""
    with iv.working_precision(PRECISION):
        coordinate = _value(node)
        return Place((name,), (coordinate,), _algebra({name: node}, (coordinate,)), directions, belongs)


def _value(node: Node) -> Real:
    """Exactly, if it is made by rational arithmetic."""
    try:
        growth = behaviour(node, {}, lambda tree: False)
    except (Undecided, Undefined):
        growth = None
    limit = growth.limit if isinstance(growth, Series) else None
    return enclose(Formula("", (), node), (), precision=PRECISION).value if limit is None else limit


def _algebra(nodes: Mapping[str, Node], coordinates: tuple[Real, ...]) -> Callable[[Node], bool]:
    """Tells by computer algebra what vanishes at a point with exactly known coordinates."""

    @cache
    def is_zero(tree: Node) -> bool:
        around = tuple(iv.interval(arb(each) - AROUND, arb(each) + AROUND) for each in coordinates)
        if enclose(Formula("", tuple(nodes), tree), around, precision=PRECISION).obstacles:
            return False
        for name, node in nodes.items():
            tree = substituted(tree, name, node)
        return vanishes(tree, "", Number(Fraction(0)))

    return is_zero


def at_zero(formula: Formula, guard: Node, box: Box, region: Region) -> Place | None:
    """The zero of an expression on a segment along an axis; None if it does not change its sign, or is not in a region.

    A continuous expression with different signs at both ends has a zero in between; halving the box keeps the signs.
    """
    function = Formula("", formula.variables, guard)
    axis = next(i for i, side in enumerate(box) if not side.is_point())
    with iv.working_precision(PRECISION + HALVINGS):

        def value(at: Real) -> Real:
            point = tuple(at if i == axis else side.low for i, side in enumerate(box))
            return enclose(function, at_point(point), precision=PRECISION + HALVINGS).value

        low, high = box[axis].low, box[axis].high
        first, last = value(low), value(high)
        if enclose(function, box).obstacles or not (first * last < 0):
            return None
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            now = value(middle)
            if now * first > 0:
                low = middle
            elif now * last > 0:
                high = middle
            else:  # as close as the precision can tell
                break
        zero = low.union(high)
        point = tuple(zero if i == axis else side.low for i, side in enumerate(box))
        if not region.contains(point):
            return None
        along = region.directions_from(point, tuple(tuple(s * (i == axis) for i in range(len(box))) for s in (1, -1)))
    coordinates = tuple(zero if i == axis else rational(side.low) for i, side in enumerate(box))
    return Place(formula.variables, coordinates, lambda tree: tree == guard, along)


def places_in(formula: Formula, box: Box, region: Region) -> Iterator[Place]:
    """Points of a region in a small box with an obstacle in it: those that come to mind first.

    Any point may be tried: it is the behaviour beside it that refutes.
    """
    names = formula.variables
    for exact in (simplest_point(box), tuple(_fraction(middle_of(side)) for side in box)):
        if region.contains(tuple(arb(fmpq(each.numerator, each.denominator)) for each in exact)):
            yield at_rational(names, exact, region)
    for segment in [box] if len(box) == 1 else edges(box):
        for guard in dict.fromkeys(guards(formula, segment)):
            place = at_zero(formula, guard, tuple(map(_widened, segment)), region)
            if place is not None:
                yield place
    if len(box) == 1 and is_bounded(box[0]):
        yield from _multiple_of_pi(names[0], box[0], region)


def _widened(side: Interval) -> Interval:
    """An obstacle is often seen in the cells beside it, too, where enclosures are a bit too wide."""
    if side.is_point() or not is_bounded(side):
        return side
    margin = WIDER * (side.high - side.low)
    return Interval((side.low - margin).mid(), (side.high + margin).mid())


def _multiple_of_pi(name: str, side: Interval, region: Region) -> Iterator[Place]:
    """Where sine and cosine have zeros and turns: a turn at 0 does not change the sign."""
    with iv.working_precision(PRECISION):
        turns = ((each / arb.pi()).mid() for each in _widened(side)[:2])
        multiple = Apply("mul", (Number(_simplest(*map(_fraction, turns))), Constant("pi")))
        place = at_typed(name, multiple, LINE)
        if region.contains(place.coordinates):
            yield place


def simplest_point(box: Box) -> tuple[Fraction, ...]:
    """The rational point with the smallest denominators in a bounded box: in a tiny one, hardly there by chance."""
    bounded = (side if is_bounded(side) else Interval(middle_of(side), middle_of(side)) for side in box)
    return tuple(_simplest(_fraction(side.low), _fraction(side.high)) for side in bounded)


def _fraction(number: Real) -> Fraction:
    exact = rational(number)
    return Fraction(int(exact.p), int(exact.q))


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """By continued fractions."""
    if low <= 0 <= high:
        return Fraction(0)
    if high < 0:
        return -_simplest(-high, -low)
    whole = -(-low.numerator // low.denominator)
    if whole <= high:
        return Fraction(whole)
    below = whole - 1
    return below + 1 / _simplest(1 / (high - below), 1 / (low - below))


def guards(formula: Formula, box: Box) -> Iterator[Node]:
    """Expressions on whose zeros the obstacles in a small box lie, if they are of a kind that changes its sign."""
    for each in enclose(formula, box).obstacles:
        match each.part:
            case Piecewise(branches, _):
                for test, _ in branches:
                    yield from _factors(Apply("sub", (test.left, test.right)))
            case Apply("gamma", (argument,)):
                nearest = enclose(Formula("", formula.variables, argument), box).value.unique_fmpz()
                if nearest is not None:
                    yield difference_to(argument, int(nearest))
            case _ if each.guard is not None:
                yield from _factors(each.guard)


def _factors(node: Node) -> Iterator[Node]:
    """The parts of which one must be 0 where a product, a power or an absolute value is."""
    match node:
        case Apply("mul", (left, right)):
            yield from _factors(left)
            yield from _factors(right)
        case Apply("abs" | "sqrt" | "neg" | "div" | "pow", (base, *_)):
            yield from _factors(base)
        case _:
            yield node


def edges(box: Box) -> Iterator[Box]:
    """Segments on which a curve that crosses a box in the plane may be met: the sides and the middle lines."""
    for axis in (0, 1):
        across = box[1 - axis]
        for at in (across.low, ((across.low + across.high) / 2).mid(), across.high):
            other = Interval(at, at)
            along = box[axis]
            yield (along, other) if axis == 0 else (other, along)
