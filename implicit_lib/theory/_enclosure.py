"""Certified enclosures: all values and slopes of a formula on a box, and where it may be singular."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, fmpq

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._formula import Formula
from implicit_lib.theory._interval import Interval, Real
from implicit_lib.theory._jets import Jets, Singularity
from implicit_lib.theory._tree import evaluate

PRECISION = 128  # bits


@dataclass(frozen=True)
class Enclosure:
    """What is certain about a formula on a box.

    Attributes:
        value: a ball around every value that the formula takes on the box, where it is defined; [±∞] if unbounded.
        gradient: for each variable, a ball around every slope: the quotients of differences, along that variable, of
            any segment of the box on which the formula is locally Lipschitz; [±∞] if unbounded or unknown.
        singularities: what may be singular. Without any but kinks, the formula is defined and locally Lipschitz on the
            box, without its open ends; and Lipschitz where the gradient is bounded.
        range: the values once more, as an interval that knows which ends are attained.
    """

    value: Real
    gradient: tuple[Real, ...]
    singularities: tuple[Singularity, ...]
    range: Interval

    @property
    def obstacles(self) -> tuple[Singularity, ...]:
        """The singularities that are not just kinks."""
        return tuple(each for each in self.singularities if each.kind != "kink")

    @property
    def slope(self) -> Real:
        """An upper bound of the length of the gradient, infinite with obstacles: the Lipschitz constant on the box."""
        if self.obstacles or not all(each.is_finite() for each in self.gradient):
            return iv.INFINITY
        if len(self.gradient) == 1:
            return self.gradient[0].abs_upper()
        return sum((each.abs_upper() ** 2 for each in self.gradient), arb(0)).sqrt().upper()


def enclose(formula: Formula, box: Sequence[Any], *, precision: int = PRECISION) -> Enclosure:
    """All values and slopes of a formula on a box, by first-order jets in ball arithmetic.

    Source: for slopes across kinks, Clarke's generalised gradient and Lebourg's mean value theorem (Clarke,
    Optimization and Nonsmooth Analysis, 1983).

    Args:
        formula: the formula.
        box: for each variable a pair (low, high) of int, float, Fraction or arb; or an `Interval`, closed or not.
        precision: of the arithmetic, in bits.

    Raises:
        ValueError: the box has not one side for each variable, or a side whose low end exceeds the high one.
    """
    if len(box) != len(formula.variables):
        raise ValueError(f"the box must have {len(formula.variables)} sides, one for each variable, but has {len(box)}")
    with iv.working_precision(precision):
        sides = tuple(side if isinstance(side, Interval) else _side(*side) for side in box)
        jets = Jets(sides)
        jet = evaluate(formula.tree, jets, jets.variables(formula.variables))
        return Enclosure(jet.value.ball(), jet.slopes, tuple(jets.found), jet.value)


def _side(low: Any, high: Any) -> Interval:
    first, last = (
        arb(fmpq(end.numerator, end.denominator)) if isinstance(end, Fraction) else arb(end) for end in (low, high)
    )
    if first > last or first.is_nan() or last.is_nan():
        raise ValueError(f"a side of a box runs from low to high, but got {low} to {high}")
    return iv.interval(first, last)
