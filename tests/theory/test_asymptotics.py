"""The behaviour beside a point, against values that mpmath computes at distances of 2^-40, 2^-150 and 2^-600."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
import pytest
from flint import arb, fmpq
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from implicit_lib.theory import _asymptotics, _interval, parse
from implicit_lib.theory import _series as ranks
from implicit_lib.theory._asymptotics import Undefined, behaviour
from implicit_lib.theory._exact import substituted
from implicit_lib.theory._places import Direction, Place, Region, at_rational, at_typed
from implicit_lib.theory._series import FINITE, LINEAR, Growth, Huge, Rank, Series, Undecided, Wave
from implicit_lib.theory._told import series_text
from implicit_lib.theory._tree import Node, evaluate
from tests.theory.multiprecision import Multiprecision, TooLarge
from tests.theory.multiprecision import Undefined as NoValue
from tests.theory.strategies import trees

MP = mpmath.mp.clone()
MP.prec = 4000
ROUNDING = MP.mpf(2) ** -1800
SCALES = FAR, _, NEAR = 40, 150, 600
STRETCH = (1, 1.3, 1.7, 2.3)  # several distances at each scale: a wave may vanish at one
REGION = Region((_interval.Interval(arb(-100), arb(100)),))
POINTS = (Fraction(0), Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 3))


def at(point: Fraction) -> Place:
    return at_rational(("x",), (point,), REGION)


def value(tree: Node, place: Place, direction: Direction, h: Any) -> Any:
    (p,) = place.coordinates
    x = MP.mpf(int(p.p)) / int(p.q) + direction[0] * h
    try:
        return evaluate(tree, Multiprecision(MP, MP.mpf(2) ** 2500), {"x": x})
    except (ValueError, OverflowError, ZeroDivisionError) as error:  # mpmath gives up
        raise TooLarge from error


def mpf(number: Any) -> Any:
    if isinstance(number, fmpq):
        return MP.mpf(int(number.p)) / int(number.q)
    mantissa, exponent = number.mid().man_exp()
    return MP.ldexp(MP.mpf(int(mantissa)), int(exponent))


def monomial(rank: Rank, h: Any) -> Any:
    log = -MP.log(h)
    scale = (h, 1 / log, 1 / MP.log(log))
    return MP.fprod(base ** mpf(fmpq(e.numerator, e.denominator)) for base, e in zip(scale, rank, strict=True))


def excess(tree: Node, place: Place, direction: Direction, growth: Series, scale: int) -> Any:
    """How much of the function the terms leave, in units of what they may leave."""
    found = MP.mpf(0)
    for stretch in STRETCH:
        h = stretch * MP.mpf(2) ** -scale
        parts = [(mpf(number), monomial(rank, h)) for rank, number in growth.terms]
        left = abs(value(tree, place, direction, h) - sum(c * m for c, m in parts))
        allowed = (1 + sum(abs(c) * m for c, m in parts)) * ROUNDING
        if growth.wave:
            allowed += abs(mpf(growth.wave.amplitude)) * monomial(growth.wave.rank, h)
        if growth.rest:
            allowed += monomial(growth.rest, h)
        found = max(found, left / allowed)
    return found


def check(tree: Node, place: Place, direction: Direction) -> Growth | None:
    """The behaviour that is claimed, held against samples; None if none is claimed."""
    try:
        with _interval.working_precision(MP.prec):
            growth = behaviour(tree, place.beside(direction), place.vanishes)
    except Undecided:
        return None
    except Undefined:
        for scale in (FAR, NEAR):
            with pytest.raises(NoValue):
                value(tree, place, direction, MP.mpf(2) ** -scale)
        return None
    if isinstance(growth, Huge):
        values = [growth.sign * value(tree, place, direction, MP.mpf(2) ** -scale) for scale in (5, 10)]
        assert values[1] > 2**10 * abs(values[0])
        return growth
    excesses = [excess(tree, place, direction, growth, scale) for scale in SCALES]
    assert all(after <= 30 * before + 2 for before, after in pairwise(excesses))
    if growth.leading and growth.leading[0][:2] < next_rank(growth)[:2]:
        rank, number = growth.leading
        h = MP.mpf(2) ** -NEAR
        assert abs(value(tree, place, direction, h) / (mpf(number) * monomial(rank, h)) - 1) < 0.3
    return growth


def next_rank(growth: Series) -> Rank:
    wave = [growth.wave.rank] if growth.wave else []
    rest = [growth.rest] if growth.rest else []
    return min([rank for rank, _ in growth.terms[1:2]] + wave + rest, default=ranks.FLAT)


@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(trees(leaves=6), st.sampled_from(POINTS), st.sampled_from([(1,), (-1,)]))
def test_what_is_claimed_holds_at_samples(tree: Node, point: Fraction, direction: Direction) -> None:
    try:
        check(tree, at(point), direction)
    except TooLarge:
        assume(False)


SINGULAR = {"a": "sqrt(abs(x))", "b": "log(abs(x))", "c": "1/x", "d": "sin(1/x)", "f": "abs(x)**(2/3)"}


@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(trees(("x", *SINGULAR), leaves=5), st.sampled_from([(1,), (-1,)]))
def test_what_is_claimed_beside_singular_parts_holds(tree: Node, direction: Direction) -> None:
    for name, text in SINGULAR.items():
        tree = substituted(tree, name, parse(text).tree)
    try:
        check(tree, at(Fraction(0)), direction)
    except TooLarge:
        assume(False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x - sin(x)", "1/6 h^3 − 1/120 h^5 + O(h^7)"),
        ("sqrt(x)*sqrt(x)", "h"),
        ("sqrt(4*x + x**2)", "2 h^(1/2) + 0.25 h^(3/2) + O(h^(5/2))"),
        ("(1 - cos(x))/x**2", "0.5 − 1/24 h^2 + O(h^4)"),
        ("x**x", "1 − h log(1/h) + O(h^2 log(1/h)^2)"),
        ("log(1/x + 1)", "log(1/h) + h + O(h^2)"),
        ("x*log(log(1/x))", "h log(log(1/h))"),
        ("exp(3*log(x)/2)", "h^(3/2)"),
        ("exp(sqrt(log(1/x)))", None),
        ("exp(-1/x)", "what is smaller than every power of h"),
        ("exp(1/x) - 1/x**9", "∞, faster than any power of 1/h"),
        ("atan(1/x)", "1.571 − h + O(h^3)"),
        ("tanh(1/x)", "1 + what is smaller than every power of h"),
        ("tan(x + pi/2)", "−h^(-1) + 1/3 h + O(h^3)"),
        ("gamma(x - 2)", "0.5 h^(-1) + 0.4614 + O(h)"),
        ("gamma(1/x)", "∞, faster than any power of 1/h"),
        ("max(x, -x**2, x**3)", "h"),
        ("min(x*sin(1/x), 1)", "h sin(v), |v| like h^(-1)"),
        ("exp(x*sin(1/x))", "1 + h sin(v) + O(h^2), |v| like h^(-1)"),
        ("(2 + sin(1/x))*sqrt(x)", "2 h^(1/2) + h^(1/2) sin(v), |v| like h^(-1)"),
        ("sin(1/x)**2", "O(1)"),
        ("sqrt(x) - sqrt(x)", "0"),
        ("abs(x)**(pi/4)", None),
        ("sqrt(2)*sqrt(2)*x - 2*x + x**2", "h^2"),
        ("log(sin(1/x))", None),
    ],
)
def test_known_behaviours(text: str, told: str | None) -> None:
    tree, place = parse(text).tree, at(Fraction(0))
    try:
        found = series_text(behaviour(tree, place.beside((1,)), place.vanishes))
    except Undecided:
        found = None
    assert found == told
    with suppress(TooLarge):
        check(tree, place, (1,))


def test_at_a_typed_number_zeros_are_exact() -> None:
    half_turn = at_typed("x", parse("pi/2", ()).tree, ((1,), (-1,)))
    for text, told in (("cos(x)", "−h + 1/6 h^3 + O(h^5)"), ("1 - sin(x)", "0.5 h^2 − 1/24 h^4 + O(h^6)")):
        growth = behaviour(parse(text).tree, half_turn.beside((1,)), half_turn.vanishes)
        assert series_text(growth) == told


@pytest.mark.parametrize(
    ("where", "name", "wrong"),
    [
        (_asymptotics, "power", lambda a, exponent: ranks.power(a, exponent / 2)),
        (ranks, "plus", lambda a, b: a),
        (ranks, "times", lambda a, factor: a),
        (ranks, "smaller", lambda a, b: max(a, b) if a and b else a or b),
        (ranks, "of_order", lambda rank: Series((), tuple(2 * e for e in rank))),
        (_asymptotics, "_LOGARITHMS", tuple(reversed(_asymptotics._LOGARITHMS))),
        (_asymptotics, "_sign", lambda growth: 1),
        (_asymptotics, "_taylor", lambda name, number: [fmpq(1)] * 9),
    ],
)
def test_a_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, wrong: Any) -> None:
    monkeypatch.setattr(where, name, wrong)
    with pytest.raises((AssertionError, NoValue)):
        for text in (
            "x*sqrt(x)",
            "1/x",
            "sqrt(x)/(1 + x)",
            "exp(x)*log(x)",
            "min(x, -x)",
            "exp(x) + x*sin(1/x)**2",
            "tan(x)",
        ):
            check(parse(text).tree, at(Fraction(0)), (1,))


def wave(amplitude: Rank, phase: Rank, *terms: Rank, rest: Rank | None = None) -> Series:
    return ranks.series([(rank, fmpq(1)) for rank in terms], rest, [Wave(amplitude, fmpq(1), phase)])


def test_when_a_wave_is_too_steep() -> None:
    def h(exponent: int | Fraction, logs: int = 0) -> Rank:
        return (Fraction(exponent), Fraction(-logs), Fraction(0))

    assert wave(h(1), h(-1)).oscillates_steeply() and not wave(h(2), h(-1)).oscillates_steeply()
    assert wave(h(2, 1), h(-1)).oscillates_steeply() and not wave(h(2, -1), h(-1)).oscillates_steeply()
    assert wave(h(1), h(-1), h(1)).oscillates_steeply()
    # a term that is as steep may undo it, and so may a rest that is as large
    assert not wave(h(1), h(-1), h(0)).oscillates_steeply()
    assert not wave(h(1), h(-1), rest=h(1)).oscillates_steeply()
    # x sin(log x) is Lipschitz
    assert not wave(h(1), h(0, 1)).oscillates_steeply()


def test_what_is_unbounded() -> None:
    unknown = arb(0, 1)
    assert ranks.series([(LINEAR, fmpq(1))]).exceeds((Fraction(1), Fraction(1), Fraction(0)))
    assert not ranks.series([(LINEAR, fmpq(1))]).exceeds(LINEAR)
    assert not ranks.series([(FINITE, unknown)]).exceeds(LINEAR)
    assert ranks.series([(FINITE, unknown), ((Fraction(1, 2), *FINITE[1:]), fmpq(1))]).exceeds(LINEAR)
    assert ranks.series([(FINITE, unknown)]).limit is unknown and ranks.of_order(FINITE).limit is None
