"""Certified enclosures against values computed in 256 bits by mpmath, which shares no code with Arb."""

import random
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from flint import arb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from implicit_lib.theory import _interval as iv
from implicit_lib.theory._enclosure import enclose
from implicit_lib.theory._formula import Formula, parse
from implicit_lib.theory._tree import Apply, Compare, Constant, Node, Number, Piecewise, Variable, evaluate
from tests.theory.multiprecision import Multiprecision, TooLarge, Undefined

MP = mpmath.mp.clone()
MP.prec = 256
ROUNDING = MP.mpf(2) ** -200  # of mpmath's own values and quotients, relative
SAMPLES = 1000
Side = tuple[Fraction, Fraction]
SIDE = (Fraction(-1), Fraction(3, 2))


NUMBERS = st.fractions(min_value=-4, max_value=4, max_denominator=8)
LEAVES = st.one_of(
    st.just(Variable("x")), st.just(Variable("x")), st.just(Variable("y")), NUMBERS.map(Number), st.just(Constant("pi"))
)
EXPONENTS = st.sampled_from([Fraction(p, q) for p in range(-3, 6) for q in (1, 2, 3)])


def grown(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    unary = st.sampled_from(["neg", "abs", "sqrt", "exp", "log", "sin", "cos", "tan", "atan", "tanh", "gamma"])
    binary = st.sampled_from(["add", "sub", "mul", "div", "pow", "min", "max"])
    compare = st.builds(Compare, parts, st.sampled_from(["<", "<=", ">", ">=", "=="]), parts)
    return st.one_of(
        st.builds(lambda name, a: Apply(name, (a,)), unary, parts),
        st.builds(lambda name, a, b: Apply(name, (a, b)), binary, parts, parts),
        st.builds(lambda a, e: Apply("pow", (a, Number(e))), parts, EXPONENTS),
        st.builds(lambda test, a, b: Piecewise(((test, a),), b), compare, parts, parts),
    )


TREES = st.recursive(LEAVES, grown, max_leaves=6).filter(lambda tree: isinstance(tree, (Apply, Piecewise)))
# dyadic, so that no coordinate is rounded
SIDES = st.tuples(
    st.integers(-48, 48).map(lambda n: Fraction(n, 16)),
    st.sampled_from([Fraction(1, 1024), Fraction(1, 16), Fraction(1, 2), Fraction(1), Fraction(3)]),
).map(lambda side: (side[0], side[0] + side[1]))


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(TREES, SIDES, SIDES)
def test_enclosures_hold_at_every_sample(tree: Node, first: Side, second: Side) -> None:
    check_at_samples(tree, first, second)


def check_at_samples(tree: Node, first: Side, second: Side) -> None:
    enclosure = enclose(Formula("", ("x", "y"), tree), [first, second])
    draws = random.Random(0)
    for sample in range(SAMPLES // 2):
        here = [drawn(draws, side) for side in (first, second)]
        axis = sample % 2
        there = list(here)
        there[axis] = drawn(draws, (first, second)[axis])
        try:
            values = [value_at(tree, point) for point in (here, there)]
        except Undefined:
            assert enclosure.obstacles
            continue
        except TooLarge:
            continue
        assert all(contains(enclosure.value, value) for value in values)
        distance = exact(there[axis] - here[axis])
        if not enclosure.obstacles and distance:
            error = ROUNDING * (abs(values[0]) + abs(values[1])) / abs(distance)
            assert contains(enclosure.gradient[axis], (values[1] - values[0]) / distance, error)


def drawn(draws: random.Random, side: Side) -> Fraction:
    """A coordinate, often close to an end of the side, or at it."""
    share = Fraction(draws.getrandbits(40), 2**40) * draws.choice([Fraction(1), Fraction(1), Fraction(1, 2**30), 0])
    low, high = side if draws.random() < 0.5 else side[::-1]
    return low + (high - low) * share


def value_at(tree: Node, point: list[Fraction]) -> Any:
    return evaluate(tree, Multiprecision(MP), {"x": exact(point[0]), "y": exact(point[1])})


def exact(value: Fraction) -> Any:
    return MP.mpf(value.numerator) / value.denominator


def contains(ball: arb, value: Any, error: Any = 0) -> bool:
    if not ball.is_finite():
        return not ball.is_nan()
    error = error + ROUNDING * abs(value)
    return bool(mpf(ball.lower()) - error <= value <= mpf(ball.upper()) + error)


def mpf(end: arb) -> Any:
    mantissa, exponent = end.man_exp()
    return MP.ldexp(MP.mpf(int(mantissa)), int(exponent))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("sine", lambda a: iv.interval(a.low.sin(), a.high.sin())),
        ("square", lambda a: iv.interval(a.low**2, a.high**2)),
        ("cosine", iv.sine),
        ("absolute", lambda a: a),
        ("logarithm", lambda a: iv.Interval(-iv.ONE, iv.ONE)),
        ("gamma_slope", lambda a: iv.Interval(-iv.ONE, iv.ZERO)),
    ],
)
def test_a_wrong_enclosure_is_caught(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Any) -> None:
    monkeypatch.setattr(iv, name, wrong)
    with pytest.raises(AssertionError):
        for text in ("sin(4*x)", "sin(x/4)", "x*x", "abs(x)", "log(x + 2)", "gamma(x + 3)"):
            check_at_samples(parse(text, ("x", "y")).tree, SIDE, SIDE)


@pytest.mark.parametrize(
    ("text", "box", "kinds"),
    [
        ("1/x", (-1, 1), {"pole"}),
        ("x**-2", (0, 1), {"pole"}),
        ("tan(x)", (1, 2), {"pole"}),
        ("gamma(x)", (-0.5, 1), {"pole"}),
        ("sqrt(x)", (0, 1), {"branch point"}),
        ("x**(1/3)", (0, 1), {"branch point"}),
        ("sqrt(x)", (-1, 1), {"undefined"}),
        ("log(x)", (-2, -1), {"undefined"}),
        ("abs(x) + max(x, 0)", (-1, 1), {"kink"}),
        ("sqrt(x**2)", (-1, 1), {"kink"}),
        ("piecewise(x < 0, 0, 1)", (-1, 1), {"jump"}),
        ("piecewise(x < 0, 0, 1)", (1, 2), set()),
        ("1/x + log(x) + sqrt(x) + gamma(x) + x**0.5 + x**x", (0.5, 2), set()),
    ],
)
def test_singularities_are_recognised(text: str, box: tuple[float, float], kinds: set[str]) -> None:
    found = enclose(parse(text), [box]).singularities
    assert {each.kind for each in found} == kinds
    assert all(each.certain == (text == "log(x)") for each in found)


def test_open_ends_make_the_difference() -> None:
    closed, half = iv.Interval(arb(0), arb(1)), iv.Interval(arb(0), arb(1), True, False)
    for text in ("1/x", "log(x)", "sqrt(x)", "gamma(x)", "1/(x*exp(x))", "1/(1 - cos(x))", "x**(-1/3)"):
        assert enclose(parse(text), [closed]).obstacles
        enclosure = enclose(parse(text), [half])
        assert not enclosure.obstacles and not enclosure.slope.is_finite()


def test_known_ranges_are_sharp() -> None:
    for text, box, low, high in (
        ("sin(x)", (0, 7), -1, 1),
        ("cos(x)", (1, 2), -0.4161468365471424, 0.5403023058681398),
        ("x**2", (-1, 2), 0, 4),
        ("gamma(x)", (1, 2), 0.8856031944108887, 1),
        ("abs(x)**(1/3)", (-8, 1), 0, 2),
        ("exp(x)", (0, 1), 1, 2.718281828459045),
    ):
        found = enclose(parse(text), [box]).range
        assert float(found.low) == pytest.approx(low, abs=1e-5) and float(found.high) == pytest.approx(high, abs=1e-5)


def test_a_length_has_a_bounded_slope_at_its_kink() -> None:
    enclosure = enclose(parse("sqrt(x**2 + y**2 + 1)", ("x", "y")), [(-1, 1), (-1, 1)])
    assert not enclosure.singularities
    enclosure = enclose(parse("sqrt(x**2 + y*y)", ("x", "y")), [(-1, 1), (-1, 1)])
    assert not enclosure.obstacles and enclosure.slope <= 1.4143


def test_bad_boxes() -> None:
    with pytest.raises(ValueError, match="must have 1 sides"):
        enclose(parse("x"), [(0, 1), (0, 1)])
    with pytest.raises(ValueError, match="runs from low to high, but got 1 to 0"):
        enclose(parse("x"), [(1, 0)])
