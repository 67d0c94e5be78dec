"""Intervals of real numbers with ends that belong to them or not, computed with Arb and rounded outward.

An `Interval` encloses the values that an expression takes. Its ends are exact numbers or ±∞, and it remembers when an
end is not attained: that 1/x is defined on (0, 1] is then seen from x > 0. A ball cannot say so. Every operation
returns an interval that contains all results, wherever it is defined; who needs to know whether it is defined
everywhere asks `is_positive` and its like first.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from flint import arb, ctx, fmpq

Real = Any  # flint's arb, which has no types that mypy reads

INFINITY: Real = arb.pos_inf()
ZERO: Real = arb(0)
ONE: Real = arb(1)
# Γ has its only minimum on (0, ∞) at 1.46163…, and its value there is 0.8856031944…
GAMMA_MINIMUM = arb(fmpq(88560, 100000))


class Interval(NamedTuple):
    """The numbers from low to high; without an end that is open."""

    low: Real
    high: Real
    low_open: bool = False
    high_open: bool = False

    def is_positive(self) -> bool:
        return bool(self.low > 0) or (self.low_open and bool(self.low >= 0))

    def is_negative(self) -> bool:
        return bool(self.high < 0) or (self.high_open and bool(self.high <= 0))

    def is_nonzero(self) -> bool:
        return self.is_positive() or self.is_negative()

    def is_nonnegative(self) -> bool:
        return bool(self.low >= 0)

    def is_point(self) -> bool:
        return bool(self.low == self.high)

    def ball(self) -> Real:
        """A ball that contains the interval; [±∞] if it is not bounded."""
        return self.low.union(self.high) if self.low.is_finite() and self.high.is_finite() else arb(0, INFINITY)


EVERYTHING = Interval(-INFINITY, INFINITY)


def interval(low: Real, high: Real, low_open: bool = False, high_open: bool = False) -> Interval:
    """From the lower end of one ball to the upper end of another; an end that is not a number becomes infinite."""
    low, high = low.lower(), high.upper()
    return Interval(-INFINITY if low.is_nan() else low, INFINITY if high.is_nan() else high, low_open, high_open)


def exactly(value: Fraction) -> Interval:
    ball = arb(fmpq(value.numerator, value.denominator))
    return interval(ball, ball)


def add(a: Interval, b: Interval) -> Interval:
    return interval(a.low + b.low, a.high + b.high, a.low_open or b.low_open, a.high_open or b.high_open)


def negative(a: Interval) -> Interval:
    return Interval(-a.high, -a.low, a.high_open, a.low_open)


def subtract(a: Interval, b: Interval) -> Interval:
    return add(a, negative(b))


def multiply(a: Interval, b: Interval) -> Interval:
    if a.is_nonnegative() and b.is_nonnegative():
        low, high = _product(a.low, b.low), _product(a.high, b.high)
        result = interval(low, high)
    else:
        products = [_product(p, q) for p in (a.low, a.high) for q in (b.low, b.high)]
        result = interval(min(products, key=_lower), max(products, key=_upper))
    return _without_zero(result) if a.is_nonzero() and b.is_nonzero() else result


def _product(p: Real, q: Real) -> Real:
    """p q, where 0 · ∞ is 0: an infinite end says that values grow without bound, not that one of them is infinite."""
    return ZERO if p.is_zero() or q.is_zero() else p * q


def _lower(ball: Real) -> Any:
    return ball.lower()


def _upper(ball: Real) -> Any:
    return ball.upper()


def _without_zero(a: Interval) -> Interval:
    """The same, knowing that no value is 0."""
    return Interval(a.low, a.high, a.low_open or a.low.is_zero(), a.high_open or a.high.is_zero())


def reciprocal(a: Interval) -> Interval:
    if a.is_negative():
        return negative(reciprocal(negative(a)))
    if not a.is_nonnegative() or a.high.is_zero():
        return EVERYTHING
    high = INFINITY if a.low.is_zero() else ONE / a.low
    return _without_zero(interval(ONE / a.high, high, a.high_open, a.low_open))


def absolute(a: Interval) -> Interval:
    if a.is_nonnegative():
        return a
    if a.high <= 0:
        return negative(a)
    return Interval(ZERO, max(-a.low, a.high))


def square(a: Interval) -> Interval:
    return power(a, Fraction(2))


def power(a: Interval, exponent: Fraction) -> Interval:
    """a to a constant power: of the bases that are at least 0, unless the exponent is an integer."""
    if exponent == 0:
        return Interval(ONE, ONE)
    if exponent < 0:
        return reciprocal(power(a, -exponent))
    if exponent.denominator > 1:
        a = _nonnegative_part(a)
    elif exponent.numerator % 2 == 0:
        a = absolute(a)
    exact = fmpq(exponent.numerator, exponent.denominator)
    return _increasing(a, lambda end: _root_power(end, exact))


def _root_power(end: Real, exponent: Any) -> Real:
    if end.is_zero() or not end.is_finite():
        return end if end >= 0 or exponent.q == 1 else ZERO
    return end ** int(exponent.p) if exponent.q == 1 else end ** arb(exponent)


def _nonnegative_part(a: Interval) -> Interval:
    return a if a.is_nonnegative() else Interval(ZERO, max(ZERO, a.high), False, a.high_open and bool(a.high > 0))


def _increasing(a: Interval, function: Callable[[Real], Real]) -> Interval:
    return interval(function(a.low), function(a.high), a.low_open, a.high_open)


def root(a: Interval) -> Interval:
    result = _increasing(_nonnegative_part(a), lambda end: end.sqrt() if end.is_finite() else end)
    return Interval(max(result.low, ZERO), *result[1:])


def exponential(a: Interval) -> Interval:
    low = ZERO if not a.low.is_finite() else a.low.exp()
    result = interval(low, INFINITY if not a.high.is_finite() else a.high.exp(), a.low_open, a.high_open)
    return _without_zero(result if result.low >= 0 else Interval(ZERO, result.high))


def logarithm(a: Interval) -> Interval:
    low = a.low.log() if a.low > 0 else -INFINITY
    high = a.high if not a.high.is_finite() else a.high.log() if a.high > 0 else ZERO
    return interval(low, high, a.low_open, a.high_open)


def arctangent(a: Interval) -> Interval:
    half = arb.pi() / 2
    return interval(
        a.low.atan() if a.low.is_finite() else -half,
        a.high.atan() if a.high.is_finite() else half,
        a.low_open or not a.low.is_finite(),
        a.high_open or not a.high.is_finite(),
    )


def hyperbolic_tangent(a: Interval) -> Interval:
    low = a.low.tanh() if a.low.is_finite() else -ONE
    high = a.high.tanh() if a.high.is_finite() else ONE
    result = interval(low, high, a.low_open, a.high_open)
    return Interval(max(result.low, -ONE), min(result.high, ONE), a.low_open, a.high_open)


def sine(a: Interval) -> Interval:
    return _wave(a, lambda end: end.sin(), Fraction(1, 2))


def cosine(a: Interval) -> Interval:
    return _wave(a, lambda end: end.cos(), Fraction(0))


def _wave(a: Interval, function: Callable[[Real], Real], crest: Fraction) -> Interval:
    """The range of a function that runs monotonically from 1 at (crest + 2k) π to −1 at (crest + 2k + 1) π and back."""
    if not (a.low.is_finite() and a.high.is_finite()):
        return Interval(-ONE, ONE)
    low, high = function(a.low), function(a.high)
    first, last = (_turns(end, crest) for end in (a.low, a.high))
    if first is None or last is None or last[1] - first[0] >= 2:
        return Interval(-ONE, ONE)
    # no turn lies inside where even the outermost estimates agree; a turn at an end changes nothing
    turns = range(first[0] + 1, last[1] + 1)
    lowest = -ONE if any(turn % 2 for turn in turns) else min(_lower(low), _lower(high))
    highest = ONE if any(turn % 2 == 0 for turn in turns) else max(_upper(low), _upper(high))
    if turns:
        return Interval(lowest, highest)
    ends = (a.low_open, a.high_open)
    return Interval(lowest, highest, *(ends if low < high else ends[::-1] if high < low else (False, False)))


def _turns(end: Real, crest: Fraction) -> tuple[int, int] | None:
    """The least and the largest that floor(end/π − crest) can be; None beyond the working precision."""
    position = end / arb.pi() - arb(fmpq(crest.numerator, crest.denominator))
    if position.rad() > 1:
        return None
    first, last = (bound.floor().unique_fmpz() for bound in (position.lower(), position.upper()))
    return int(first), int(last)


def tangent(a: Interval) -> Interval:
    """The range of tan on an interval without pole; otherwise everything."""
    if not has_no_pole_of_tangent(a):
        return EVERYTHING
    return _increasing(a, lambda end: end.tan())


def has_no_pole_of_tangent(a: Interval) -> bool:
    if not (a.low.is_finite() and a.high.is_finite()):
        return False
    first, last = (_turns(end, Fraction(1, 2)) for end in (a.low, a.high))
    return first is not None and last is not None and first[0] == last[1]


def gamma(a: Interval) -> Interval:
    """The range of Γ on an interval without pole; otherwise everything."""
    if a.is_positive():
        ends = [INFINITY if end.is_zero() or not end.is_finite() else end.gamma() for end in a[:2]]
        # convex on (0, ∞): the largest value is at an end, the least at an end or at the minimum
        turn = a.low < arb("1.4617") and a.high > arb("1.4616")
        return interval(GAMMA_MINIMUM if turn else min(ends, key=_lower), max(ends, key=_upper))
    if not has_no_pole_of_gamma(a):
        return EVERYTHING
    value = a.low.union(a.high).gamma()
    return interval(value, value)


def gamma_slope(a: Interval) -> Interval:
    """The range of Γ', which increases on (0, ∞)."""
    if a.is_positive():
        low = -INFINITY if a.low.is_zero() else a.low.gamma() * a.low.digamma()
        return interval(low, a.high.gamma() * a.high.digamma() if a.high.is_finite() else INFINITY)
    if not has_no_pole_of_gamma(a):
        return EVERYTHING
    ball = a.low.union(a.high)
    slope = ball.gamma() * ball.digamma()
    return interval(slope, slope)


def has_no_pole_of_gamma(a: Interval) -> bool:
    if a.is_positive():
        return True
    floor = a.low.floor().unique_fmpz() if a.low.is_finite() else None
    if floor is None or (a.low == floor and not a.low_open):
        return False
    return is_below(a, Interval(arb(floor + 1), arb(floor + 1)))


def smallest(a: Interval, b: Interval) -> Interval:
    return negative(largest(negative(a), negative(b)))


def largest(a: Interval, b: Interval) -> Interval:
    low = a if a.low > b.low or (a.low == b.low and a.low_open) else b
    high = a if a.high > b.high or (a.high == b.high and not a.high_open) else b
    return Interval(low.low, high.high, low.low_open, high.high_open)


def hull(a: Interval, b: Interval) -> Interval:
    low, high = min(a.low, b.low), max(a.high, b.high)
    low_open = all(each.low_open for each in (a, b) if each.low == low)
    high_open = all(each.high_open for each in (a, b) if each.high == high)
    return Interval(low, high, low_open, high_open)


def is_below(a: Interval, b: Interval) -> bool:
    """Whether every number of a is below every number of b."""
    return bool(a.high < b.low) or (bool(a.high == b.low) and (a.high_open or b.low_open))


def is_at_most(a: Interval, b: Interval) -> bool:
    return bool(a.high <= b.low)


def working_precision(bits: int) -> Any:
    """A context in which Arb computes with so many bits."""
    return ctx.workprec(bits)
