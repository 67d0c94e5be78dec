"""What is refuted is steeper than any bound, at points found by mpmath; what is Lipschitz is never refuted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import mpmath
import pytest

from implicit_lib.theory import NotReached, RegularOperator, Verdict, parse
from implicit_lib.theory._tree import evaluate
from tests.theory.multiprecision import Multiprecision, Undefined

MP = mpmath.mp.clone()
MP.prec = 2000
BOUNDS = (10, 200)
# Where the verdict gives the place in double precision only.
PLACES: dict[float, Callable[[], Any]] = {
    0.1: lambda: MP.mpf(1) / 10,
    1 / 3: lambda: MP.mpf(1) / 3,
    2**0.5: lambda: MP.sqrt(2),
    1 / mpmath.pi: lambda: 1 / MP.pi,
    float(mpmath.pi) / 2: lambda: MP.pi / 2,
    float(mpmath.pi): lambda: +MP.pi,
}

REFUSED = (
    ("sqrt(x)", "[0, 4]", "infinite slope", 0),
    ("sqrt(x - 0.1)", "[0.1, 1]", "infinite slope", 0.1),
    ("abs(x)**(1/3)", "[-1, 1]", "infinite slope", 0),
    ("piecewise(x <= 0, 0, sqrt(x))", "[-1, 1]", "infinite slope", 0),
    ("piecewise(x == 0, 0, x*log(abs(x)))", "[-1, 1]", "infinite slope", 0),
    ("piecewise(x == 0, 0, x*sin(1/x))", "[-1, 1]", "oscillating infinite slope", 0),
    ("piecewise(x == 0, 0, sin(1/x))", "[-1, 1]", "oscillates without a limit", 0),
    ("piecewise(x < 0, -1, x == 0, 0, 1)", "[-1, 1]", "jumps", 0),
    ("piecewise(x < 1/3, x, x + 1)", "[-1, 1]", "jumps", 1 / 3),
    ("piecewise(x**2 < 2, 0, 1)", "[0, 2]", "jumps", 2**0.5),
    ("1/x", "[-1, 1]", "pole", 0),
    ("1/(x - 1/3)", "[-1, 1]", "pole", 1 / 3),
    ("tan(x)", "[0, 3]", "pole", float(mpmath.pi) / 2),
    ("gamma(x)", "[-0.5, 1]", "pole", 0),
    ("1/sin(1/x)", "(0, 1]", "pole", 1 / float(mpmath.pi)),
    ("log(x)", "[-1, 1]", "undefined", 0),
    ("abs(x)**0.9", "[-1, 1]", "infinite slope", 0),
    ("piecewise(x == 0, 0, x + x*sin(1/x))", "[-1, 1]", "swings of about |x| are about |x|^2 apart", 0),
    ("piecewise(x == 0, 0, x**3*sin(1/x**3))", "[-1, 1]", "oscillating infinite slope", 0),
    ("piecewise(x == 0, 0, sqrt(abs(x))*sin(log(abs(x))))", "[-1, 1]", "infinite slope", 0),
    ("piecewise(x == 0, 0, (2 + cos(1/x))*sqrt(abs(x)))", "[-1, 1]", "infinite slope", 0),
    ("piecewise(x == 0, 0, sin(1/x)/x)", "[-1, 1]", "pole", 0),
    ("piecewise(x == 0, 0, tanh(1/x))", "[-1, 1]", "jumps at x = 0: by 2", 0),
    ("piecewise(x == 0, 0, min(sqrt(abs(x)), x + 1))", "[-1, 1]", "infinite slope", 0),
    ("piecewise(x <= 0, 0, sqrt(x)*(1 + x*sin(1/x)))", "[-1, 1]", "infinite slope", 0),
    ("sqrt(abs(sin(x)))", "[1, 4]", "infinite slope", float(mpmath.pi)),
    ("sqrt(x - pi)", "[pi, 4]", "infinite slope", float(mpmath.pi)),
    ("piecewise(x < 1/3, x, x == 1/3, 5, x)", "[0, 1]", "jumps", 1 / 3),
    ("piecewise(x <= 0, 0, exp(1/x))", "[-1, 1]", "pole", 0),
    ("exp(x)*sqrt(x) - sin(x)", "[0, 1]", "infinite slope", 0),
    ("piecewise(x == 0, 2, sin(x)/x)", "[-1, 1]", "jumps at x = 0: by 1", 0),
)


def verdict_of(text: str, domain: str) -> Verdict:
    try:
        return RegularOperator.reaching(text, domain).verdict
    except NotReached as refusal:
        return refusal.verdict


def value(text: str, x: Any) -> Any:
    return evaluate(parse(text).tree, Multiprecision(MP, MP.mpf(2) ** 1800), {"x": x})


def pairs(place: Any) -> Iterator[tuple[Any, Any]]:
    """Points close to a place, on one side of it and on both, and nearer to each other the nearer they are to it."""
    for scale, share, side in product((3, 20, 200, 400), (1.0, 1.3, 1.7), (1, -1)):
        h = side * share * MP.mpf(2) ** -scale
        yield place + h, place - h
        yield place + h, place
        for power, swing in product((2, 3, 4), (1.0, 1.9, 3.1)):
            yield place + h, place + h + swing * abs(h) ** power


def steepest(text: str, place: Any, bound: float) -> Any:
    """A slope above a bound, or a point without value, if either is found."""
    for a, b in pairs(place):
        try:
            slope = abs(value(text, a) - value(text, b)) / abs(a - b)
        except Undefined:
            continue
        if slope > bound:
            return slope
    return MP.mpf(0)


@pytest.mark.parametrize(("text", "domain", "reason", "place"), REFUSED)
def test_what_is_refuted_is_steeper_than_any_bound(text: str, domain: str, reason: str, place: float) -> None:
    start = time.process_time()
    with pytest.raises(NotReached, match=re.escape(reason)) as refusal:
        RegularOperator.reaching(text, domain)
    assert time.process_time() - start <= 2
    verdict = refusal.value.verdict
    assert verdict.kind == "refuted" and reason in verdict.statement
    assert verdict.at == pytest.approx((place,), abs=1e-12)
    exact = next((make() for at, make in PLACES.items() if at == pytest.approx(place, abs=1e-12)), MP.mpf(place))
    for bound in BOUNDS:
        assert steepest(text, exact, bound) > bound


# Lipschitz, but steep at first sight: by truncated growth, exponents next to 1, or parts that cancel.
NEAR_MISSES = (
    ("piecewise(x == 0, 0, x*min(-log(abs(x)), 10000))", "[-0.5, 0.5]"),
    ("piecewise(x == 0, 0, max(abs(x)*log(abs(x)), -10000*abs(x)))", "[-0.5, 0.5]"),
    ("piecewise(x == 0, 0, min(abs(x)**0.5, 10**9*abs(x)))", "[-0.5, 0.5]"),
    ("max(-10**30*abs(x), min(10**30*abs(x), abs(x)**0.25))", "[-1, 1]"),
    ("abs(x)**1.0001", "[-1, 1]"),
    ("sqrt(abs(x)) - sqrt(abs(x)) + x", "[-1, 1]"),
    ("sqrt(abs(x) + x**2) - sqrt(abs(x)) + x", "[-1, 1]"),
    ("piecewise(x == 0, 0, x/log(-log(abs(x)/10)))", "[-0.5, 0.5]"),
    ("piecewise(x == 0, 0, x*log(abs(x))/log(x**2))", "[-0.5, 0.5]"),
    ("piecewise(x == 0, 0, x*(log(abs(2*x)) - log(abs(x))))", "[-0.5, 0.5]"),
    ("piecewise(x == 0, 0, x*sin(log(abs(x))))", "[-1, 1]"),
    ("piecewise(x == 0, 0, x**2*sin(1/x))", "[-1, 1]"),
    ("piecewise(x == 0, 0, x**3*sin(1/x**2))", "[-1, 1]"),
    ("piecewise(x == 0, 0, x*sin(1/x) - x*sin(1/x))", "[-1, 1]"),
    ("piecewise(x == 0, 0, x*tanh(1/x))", "[-1, 1]"),
    ("piecewise(x == 0, 1, sin(x)/x)", "[-1, 1]"),
    ("piecewise(x <= 0, 0, exp(-1/x))", "[-1, 1]"),
    ("piecewise(x == 0, 0, exp(2*log(abs(x))))", "[-1, 1]"),
    ("piecewise(x <= 1/3, 0, x >= 1/3, 0, log(-1 - x**2))", "[0, 1]"),
    ("piecewise(x == 0, 0, sqrt(2)*sqrt(2) - 2 + x)", "[-1, 1]"),
    ("sqrt(x)*sqrt(x)", "[0, 1]"),
    ("tanh(10**40*x)", "[-1, 1]"),
    ("atan(10**40*(x - 1/7))", "[-1, 1]"),
    ("sqrt(10**(-60) + x**2)", "[-1, 1]"),
)


# Not locally Lipschitz, and beyond the rules or at their edge.
NOT_LIPSCHITZ = (
    ("piecewise(x == 0, 0, x*log(log(-log(abs(x)/100))))", "[-0.5, 0.5]"),
    ("piecewise(x == 0, 0, x*sin(log(abs(x))**2))", "[-1, 1]"),
    ("piecewise(x <= 0, 0, exp(-1/x)*sin(exp(2/x)))", "[-1, 1]"),
    ("abs(x)**(pi/4)", "[-1, 1]"),
    ("piecewise(x == 0, 0, x*exp(sqrt(log(1 + 1/abs(x)))))", "[-1, 1]"),
    ("piecewise(x == 0, 0, abs(x*sin(1/x)))", "[-1, 1]"),
    ("piecewise(x == 0, 0, max(x*sin(1/x), x*cos(1/x)))", "[-1, 1]"),
    ("piecewise(x == 0, 0, sqrt(abs(x))*sin(1/x)**2)", "[-1, 1]"),
    ("abs(x**2 - 2*sqrt(2)*x + 2)**0.4", "[0, 2]"),
    ("abs(exp(x) - x - 2)**0.5", "[0, 3]"),
    ("abs(x - y**3)**0.5", "[-1, 1] x [-1, 1]"),
)


@pytest.mark.parametrize(
    ("text", "domain", "true"),
    [*((*case, "certified") for case in NEAR_MISSES), *((*case, "refuted") for case in NOT_LIPSCHITZ)],
)
def test_what_is_hard_is_decided_rightly_or_not_at_all(text: str, domain: str, true: str) -> None:
    verdict = verdict_of(text, domain)
    assert verdict.kind in (true, "undecided"), verdict


def test_what_is_undecided_tells_how_steep_it_is() -> None:
    verdict = verdict_of(*NEAR_MISSES[0])
    assert verdict.kind == "undecided" and verdict.lines[-1].endswith(
        "no proof was found that they do so without bound"
    )
    assert "at a distance of 2^-40: slopes of 26.7 at least" in verdict.lines


def test_a_zero_is_found_where_no_number_names_it() -> None:
    for text in ("1/(exp(x) - x - 2)", "1/abs(exp(x) - x - 2)**3", "log(abs(exp(x) - x - 2))"):
        verdict = verdict_of(text, "[0, 3]")
        assert verdict.kind == "refuted" and verdict.at == pytest.approx((1.1461932206205825,), abs=1e-15)
    verdict = verdict_of("1/(x**2 + y**2 - 1/3)", "[-1, 1] x [-1, 1]")
    assert verdict.at is not None and verdict.kind == "refuted"
    assert verdict.at[0] ** 2 + verdict.at[1] ** 2 == pytest.approx(1 / 3)


def test_a_point_outside_of_the_domain_refutes_nothing() -> None:
    for domain in ("(1/3, 1]", r"[0, 1] \ {1/3}", r"[-1, 1] \ [1/4, 1/2]"):
        assert verdict_of("1/(x - 1/3)", domain)
    assert verdict_of("1/(x + y)", "(0, 1] x [0, 1]").kind != "refuted"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sin(x)/x", "sin(x)/x has no value there"),
        ("abs(x)/x", "abs(x)/x has no value there"),
        ("sin(x)/x**2", "sin(x)/x**2 has a pole there"),
        ("x*log(abs(x))", "log(abs(x)) has no value there"),
    ],
)
def test_no_value_is_no_pole(text: str, said: str) -> None:
    assert verdict_of(text, "[-1, 1]").statement == f"F is undefined at x = 0: {said}"
