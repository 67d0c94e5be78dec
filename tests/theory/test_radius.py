"""The radius is 1-Lipschitz, a lower bound, and not much too small."""

import math

import mpmath
import numpy as np
import pytest
import torch

from implicit_lib.theory import Domain, LipschitzRadius, RegularOperator, derivative_range, parse, value_range

CASES = (
    ("1/x", "(0, 1]"),
    ("1/x", r"[-1, 1] \ {0}"),
    ("log(x)", "(0, 4]"),
    ("tan(x)", "(-pi/2, pi/2)"),
    ("sin(1/x)", "(0, 1]"),
    ("exp(x**2)", "[-3, 3]"),
    ("piecewise(x < 0, -1, 1)", r"[-1, 1] \ {0}"),
    ("piecewise(x < 0, -9*x, 3*x)", "[-1, 1]"),
    ("abs(7*x)", r"[-2, 2] \ [-0.5, 0.5]"),
    ("1/x", r"[-2, 2] \ [-0.5, 0.5]"),
    ("gamma(x)", "[-0.9, -0.1]"),
)
PLANE = (("exp(x*y)", "[-3, 3] x [-3, 3]"), ("1/(x**2 + y**2)", r"[-1, 1] x [-1, 1] \ {(0, 0)}"))


def radius_of(text: str, domain: str) -> tuple[RegularOperator, np.ndarray]:
    operator = RegularOperator.reaching(text, domain)
    draws = np.random.default_rng(1)
    size = (2000, operator.domain.dimension)
    lows = np.array([axis.low_value for axis in operator.domain.axes])
    highs = np.array([axis.high_value for axis in operator.domain.axes])
    x = lows + (highs - lows) * draws.uniform(size=size) ** draws.choice([1, 4], size=(2000, 1))
    x = x[operator.domain.contains(x)]
    return operator, x


@pytest.mark.parametrize(("text", "domain"), (*CASES, *PLANE))
def test_it_is_1_lipschitz(text: str, domain: str) -> None:
    operator, x = radius_of(text, domain)
    x = x[np.argsort(x[:, 0])]
    radius = operator.table(x)
    assert np.all(radius > 0) and np.all(radius <= 0.5)
    for step in (1, 2, 17, 500):
        distance = np.linalg.norm(x[step:] - x[:-step], axis=1)
        assert np.all(np.abs(radius[step:] - radius[:-step]) <= distance + 1e-15)


@pytest.mark.parametrize(("text", "domain"), (*CASES, *PLANE))
def test_f_is_as_gentle_as_it_says_within_the_radius(text: str, domain: str) -> None:
    operator, x = radius_of(text, domain)
    radius = operator.table(x)
    draws = np.random.default_rng(2)
    for _ in range(20):
        a, b = (x + radius[:, None] * in_ball(draws, x.shape) for _ in range(2))
        inside = operator.domain.contains(a) & operator.domain.contains(b)
        difference = np.abs(operator.target(*a.T) - operator.target(*b.T))
        distance = np.linalg.norm(a - b, axis=1)
        # of the values, and of the points times the slope
        rounding = 1e-15 * (np.abs(operator.target(*a.T)) + 1 + np.abs(a).max(axis=1) / radius)
        assert np.all((difference <= distance / radius + rounding)[inside])


def in_ball(draws: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    direction = draws.normal(size=shape)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction * draws.choice([0.999999, 0.5, 0.1], size=(shape[0], 1))


def test_it_is_close_to_the_true_radius_of_the_reciprocal() -> None:
    """1/x is Lipschitz with 1/(x − r)² on (x − r, x + r); so r = (x − r)²."""
    operator = RegularOperator.reaching("1/x", "(0, 1]")
    x = np.geomspace(1e-9, 1, 500)
    true = 2 * x**2 / (2 * x + 1 + np.sqrt(4 * x + 1))
    ratio = operator.radius(x) / np.minimum(true, 0.5)
    assert np.all(ratio <= 1 + 1e-12) and np.all(ratio >= 0.4)


def test_a_wrong_constant_is_caught() -> None:
    """The test above, on a table that claims half the slope."""
    x = np.array([[0.5]])
    honest, wrong = (LipschitzRadius([[0.0]], [[1.0]], [inverse]) for inverse in (1 / 8, 1 / 4))
    a, b = 0.5, 0.5 + 0.99 * float(wrong(x)[0])
    assert abs(8 * a - 8 * b) <= abs(a - b) / honest(x)[0]
    assert abs(8 * a - 8 * b) > abs(a - b) / wrong(x)[0]


def test_the_formula_by_hand() -> None:
    table = LipschitzRadius([[0.0], [1.0], [3.0]], [[1.0], [2.0], [4.0]], [0.25, 0.4, 0.0])
    x = np.array([[0.5], [1.2], [1.35], [2.9], [3.5]])
    np.testing.assert_allclose(table(x), [0.25, 0.25, 0.35, 0.1, 0.0], rtol=1e-14)
    assert table(torch.tensor(x)).dtype == torch.float64
    assert math.isnan(table(np.array([[math.nan]]))[0])


@pytest.mark.parametrize(
    ("text", "domain", "values", "slopes"),
    [
        ("x**2 - x", "[0, 2]", (-0.25, 2), (-1, 3)),
        ("sin(x)", "[0, 7]", (-1, 1), (-1, 1)),
        ("log(x)", "[1, 4]", (0, math.log(4)), (0.25, 1)),
        ("abs(x) - x/2", "[-1, 2]", (0, 1.5), (-1.5, 0.5)),
        ("1/x", r"[-1, 1] \ {0}", (-math.inf, math.inf), (-math.inf, math.inf)),
        ("tanh(x)", "(-inf, inf)", (-1, 1), (0, 1)),
    ],
)
def test_ranges(text: str, domain: str, values: tuple[float, float], slopes: tuple[float, float]) -> None:
    for found, true in (
        (value_range(parse(text), Domain.parse(domain)), values),
        (derivative_range(parse(text), Domain.parse(domain)), slopes),
    ):
        assert found == pytest.approx(true, abs=1e-4) and found[0] <= true[0] and found[1] >= true[1]


def test_ranges_of_gamma_and_of_two_variables() -> None:
    low, high = value_range(parse("gamma(x)"), Domain.parse("[1, 3]"))
    assert low <= float(mpmath.gamma(1.4616321449683623)) <= low + 1e-4 and 2 <= high <= 2 + 1e-8
    low, high = value_range(parse("x*y - x", ("x", "y")), Domain.parse("[-1, 1] x [0, 3]"))
    assert -2 - 1e-6 <= low <= -2 and 2 <= high <= 2 + 1e-6
    with pytest.raises(ValueError, match="the derivative is for one variable"):
        derivative_range(parse("x*y", ("x", "y")), Domain.parse("[0, 1] x [0, 1]"))
