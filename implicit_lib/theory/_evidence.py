"""Evidence that a formula is not locally Lipschitz at a point: certified values and slopes, ever closer to it.

A slope that no bound holds for cannot be seen at one distance. It is followed through distances of 2^-16, 2^-32, … down
to 2^-1024: what grows by a constant factor from each distance to the next, although the distance is squared, is taken
to be unbounded. Every number is certified in ball arithmetic; that the growth goes on is inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from flint import arb, ctx, fmpq

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._cells import Box, Cell, at_point, halves, is_bounded
from implicit_lib.theory._enclosure import Enclosure, enclose
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Real
from implicit_lib.theory._verdict import Verdict
from implicit_lib.theory._written import written

SCALES = (16, 32, 64, 128, 256, 512, 1024)
GROWTH = 1.4
# Followed by halving, a place is known to a 2^-300th.
FOLLOWED = 300
# Binary digits after the point of a number that is taken for the very place of an obstacle.
SHORT = 20
SHARES = tuple(Fraction(1) + Fraction(step * step % 101, 101) for step in range(1, 25, 2))
PLANE = ((1, 0), (0, 1), (2, 1), (-1, 1), (1, -2), (-1, 0), (0, -1), (-2, -1), (1, -1), (-1, 2))


@dataclass(frozen=True)
class Place:
    """A point of the domain at which a formula may fail to be locally Lipschitz.

    Attributes:
        coordinates: for a precision in bits, balls around the coordinates.
        exact: whether the balls are around this very point, so that the value there is that of the formula; else it
            is only known to within 2^-300.
        directions: in one variable, on which sides the domain goes on: 1 and −1.
    """

    coordinates: Callable[[int], tuple[Real, ...]]
    exact: bool
    directions: tuple[int, ...] = (1, -1)

    @property
    def at(self) -> tuple[float, ...]:
        return tuple(float(each.mid()) for each in self.coordinates(128))


@dataclass(frozen=True)
class Region:
    """A part of the domain: the points of a box that do not lie in a hole."""

    box: Box
    holes: tuple[Box, ...] = ()

    def contains(self, point: tuple[Real, ...]) -> bool:
        return _is_within(self.box, point) and not any(_is_within(hole, point) for hole in self.holes)


def _is_within(box: Box, point: tuple[Real, ...]) -> bool:
    return all(
        (side.low < each if side.low_open else side.low <= each)
        and (each < side.high if side.high_open else each <= side.high)
        for side, each in zip(box, point, strict=True)
    )


@dataclass(frozen=True)
class Look:
    """What is certain about a formula at a distance of about 2^-scale from a place.

    Attributes:
        scale: the exponent.
        size: some value is at least that large.
        spread: on either side, and over all, some two values differ by at least that much.
        slope: some slope is at least that large.
        swings: whether slopes of both signs occur on one side.
    """

    scale: int
    size: Real
    side_spreads: tuple[Real, ...]
    spread: Real
    slope: Real
    swings: bool


def exact_place(cell: Cell) -> Place | None:
    """The one short binary number in a cell that has been halved many times: hardly there by chance."""
    point = [_short_number(Fraction(*_ratio(side.low)), Fraction(*_ratio(side.high))) for side in cell.box]
    found = tuple(arb(fmpq(each.numerator, each.denominator)) for each in point if each is not None)
    return Place(lambda precision: found, exact=True) if len(found) == len(point) else None


def _ratio(number: Real) -> tuple[int, int]:
    mantissa, exponent = map(int, number.man_exp())
    return (mantissa << exponent, 1) if exponent >= 0 else (mantissa, 1 << -exponent)


def _short_number(low: Fraction, high: Fraction) -> Fraction | None:
    for bits in range(SHORT):
        number = Fraction(-((-low * 2**bits) // 1), 2**bits)
        if number <= high:
            return number
    return None


def followed_place(formula: Formula, cell: Cell) -> Place | None:
    """Where the obstacle in a cell is, by halving; None if the formula turns out to be smooth on all halves."""
    for step in range(FOLLOWED * len(cell.box)):
        precision = 2 * step // len(cell.box) + 128
        with iv.working_precision(precision):
            parts = [
                (half, enclose(formula, half.box, precision=precision)) for half in halves(cell, step % len(cell.box))
            ]
        obstructed = [half for half, enclosure in parts if enclosure.obstacles]
        if not obstructed:
            return None
        cell = obstructed[0]
    with iv.working_precision(4 * FOLLOWED):
        point = tuple(((side.low + side.high) / 2).mid() for side in cell.box)
    return Place(lambda precision: point, exact=False)


def refutation(formula: Formula, place: Place, region: Region, name: str = "F") -> Verdict | None:
    """A verdict "refuted", if the formula is undefined at the place, or visibly not Lipschitz around it.

    Args:
        formula: the formula.
        place: in the domain.
        region: the part of the domain from which points close to the place are taken.
        name: of the function, for the verdict.
    """
    where = _written_place(formula, place)
    there = _value(formula, place, 256) if place.exact else None
    for each in there.singularities if there else ():
        if each.certain:
            what = "has a pole" if each.kind == "pole" else "has no value"
            return Verdict("refuted", f"{name} is undefined at {where}: {written(each.part)} {what} there", place.at)
    scales = [scale for scale in SCALES if place.exact or scale < FOLLOWED]
    looks = [look for scale in scales if (look := _look(formula, place, region, scale))]
    if len(looks) < len(scales):
        return None
    lines = tuple(_line(look) for look in looks)
    if grows([look.size for look in looks]):
        return Verdict("refuted", f"{name} has a pole at {where}: its values grow without bound", place.at, lines)
    if _persists([look.spread for look in looks]):
        oscillates = any(
            _persists(list(spreads)) for spreads in zip(*(look.side_spreads for look in looks), strict=True)
        )
        reason = "oscillates without a limit" if oscillates else "jumps"
        size = float(looks[-1].spread)
        return Verdict("refuted", f"{name} {reason} at {where}: by {size:.3g} over any distance", place.at, lines)
    if grows([look.slope for look in looks]):
        kind = "an oscillating infinite slope" if any(look.swings for look in looks) else "an infinite slope"
        return Verdict("refuted", f"{name} has {kind} at {where}", place.at, lines)
    return None


def _written_place(formula: Formula, place: Place) -> str:
    return ", ".join(f"{name} = {value:.12g}" for name, value in zip(formula.variables, place.at, strict=True))


def _value(formula: Formula, place: Place, precision: int) -> Enclosure:
    with iv.working_precision(precision):
        return enclose(formula, at_point(place.coordinates(precision)), precision=precision)


def _look(formula: Formula, place: Place, region: Region, scale: int) -> Look | None:
    precision = 2 * scale + 128
    ranges: dict[tuple[int, ...], list[iv.Interval]] = {}
    signs: set[tuple[tuple[int, ...], bool]] = set()
    slope = iv.ZERO
    with iv.working_precision(precision):
        for direction, point in _samples(place, region, scale):
            enclosure = enclose(formula, at_point(point), precision=precision)
            if enclosure.obstacles:
                continue
            side = tuple((step > 0) - (step < 0) for step in direction)
            ranges.setdefault(side, []).append(enclosure.range)
            for axis, each in enumerate(enclosure.gradient):
                slope = max(slope, each.abs_lower())
                signs |= {
                    ((*side, axis), positive) for positive in (True, False) if (each > 0 if positive else each < 0)
                }
        if not ranges:
            return None
        every = [value for values in ranges.values() for value in values]
        there = _value(formula, place, precision).range if place.exact else iv.EVERYTHING
        if is_bounded(there):
            every.append(there)
        spread = _spread(every)
        size = max(max(value.low, -value.high, iv.ZERO) for value in every)
        # all samples lie within 2^(2 − scale) of the place, along every axis
        slope = max(slope, (spread / (arb(2) ** (3 - scale) * len(region.box))).lower())
        spreads = tuple(_spread(values) for _, values in sorted(ranges.items()))
        swings = any((side, not positive) in signs for side, positive in signs)
        return Look(scale, size, spreads, spread, slope, swings)


def _samples(place: Place, region: Region, scale: int) -> Iterator[tuple[tuple[int, ...], tuple[Real, ...]]]:
    """Points of the region at distances between 2^-scale and 2^(3 − scale), with their directions."""
    centre = place.coordinates(ctx.prec)
    for direction in PLANE if len(centre) == 2 else [(sign,) for sign in place.directions]:
        for share in SHARES if len(centre) == 1 else SHARES[:3]:
            length = arb(fmpq(share.numerator, share.denominator)) / arb(2) ** scale
            point = tuple((c + length * step).mid() for c, step in zip(centre, direction, strict=True))
            if region.contains(point):
                yield direction, point


def _spread(values: Sequence[iv.Interval]) -> Real:
    """Some two of the values differ by at least that much."""
    return max((max(value.low for value in values) - min(value.high for value in values)).lower(), iv.ZERO)


def grows(bounds: Sequence[Real]) -> bool:
    return bool(bounds[0] > 0) and all(after >= GROWTH * before for before, after in pairwise(bounds))


def _persists(bounds: Sequence[Real]) -> bool:
    return bool(bounds[-1] > 0 and bounds[-1] >= bounds[0] / 4)


def _line(look: Look) -> str:
    return (
        f"at distance 2^-{look.scale}: values up to {_short(look.size)}, differing by {_short(look.spread)}, "
        f"slopes up to {_short(look.slope)} at least"
    )


def _short(bound: Real) -> str:
    return "0" if bound.is_zero() else bound.str(3, radius=False) if bound.is_finite() else "∞"
