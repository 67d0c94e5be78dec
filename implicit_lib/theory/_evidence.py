"""What is certain where no proof was found: slopes of a formula, ever closer to a place."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from flint import arb, fmpq

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._cells import at_point
from implicit_lib.theory._enclosure import enclose
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Real
from implicit_lib.theory._places import LINE, PLANE, Region

# Of the distances: a point in double precision is known much better.
SCALES = (10, 20, 30, 40)
GROWTH = 2
SHARES = tuple(Fraction(1) + Fraction(step * step % 101, 101) for step in range(1, 25, 2))


def slopes_towards(formula: Formula, centre: tuple[Real, ...], region: Region) -> tuple[str, ...]:
    """Lines that say how steep a formula certainly is, at distances from 2^-10 to 2^-40, if it becomes steeper.

    Args:
        formula: the formula.
        centre: the point from which the distances are taken.
        region: from where samples are taken.
    """
    bounds = [_steepest(formula, centre, region, scale) for scale in SCALES]
    if not bounds[-1] > GROWTH * bounds[0]:
        return ()
    lines = (
        f"at a distance of 2^-{scale}: slopes of {bound.str(3, radius=False)} at least"
        for scale, bound in zip(SCALES, bounds, strict=True)
    )
    return (*lines, "the slopes grow, but no proof was found that they do so without bound")


def _steepest(formula: Formula, centre: tuple[Real, ...], region: Region, scale: int) -> Real:
    steepest = iv.ZERO
    for point in _samples(centre, region, scale):
        enclosure = enclose(formula, at_point(point))
        if not enclosure.obstacles:
            steepest = max(steepest, *(each.abs_lower() for each in enclosure.gradient))
    return steepest


def _samples(centre: tuple[Real, ...], region: Region, scale: int) -> Iterator[tuple[Real, ...]]:
    """Points of a region at distances between 2^-scale and 2^(3 − scale)."""
    for direction in PLANE if len(centre) == 2 else LINE:
        for share in SHARES if len(centre) == 1 else SHARES[:3]:
            length = arb(fmpq(share.numerator, share.denominator)) / arb(2) ** scale
            point = tuple((c + length * step).mid() for c, step in zip(centre, direction, strict=True))
            if region.contains(point):
                yield point
