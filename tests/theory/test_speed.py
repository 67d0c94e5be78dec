"""The speed limit against measured slopes of random regular operators, and against the operator that attains it."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from implicit_lib.theory import bounded_speed_limit, least_iterations, speed_limit, unbounded_speed_limit

Array = NDArray[np.float64]
fractions = st.floats(0.05, 0.95)


def iterates(G: Callable[[Array, Array], Array], y: Array, x: Array, count: int) -> Array:
    """y_0, …, y_T, from y_0 = y."""
    kept = [y]
    for _ in range(count):
        kept.append(G(kept[-1], x))
    return np.stack(kept)


class RandomRegular:
    """G(y, x) = s(x) A φ(y) + c(x) on R², A orthogonal, φ linear or tanh: regular with a known constant.

    |s'| ≤ L and ‖c'‖ ≤ L give the constant L, because ‖Aφ(y)‖ ≤ ‖y‖; the modulus is |s(x)|.
    """

    def __init__(self, seed: int, constant: float) -> None:
        draw = np.random.default_rng(seed)
        self.constant = constant
        self.A = np.linalg.qr(draw.normal(size=(2, 2)))[0]
        self.direction = np.array([np.cos(draw.uniform(0, 7)), 0.0])
        self.direction[1] = math.sqrt(1 - self.direction[0] ** 2)
        self.centre, self.swing = draw.uniform(0, 0.6), draw.uniform(0.01, 0.39)
        self.phases = draw.uniform(0, 7, size=2)
        self.rate = draw.uniform(0.5, 20)
        self.linear = bool(draw.integers(2))

    def modulus(self, x: Array) -> Array:
        return np.abs(self.factor(x))

    def factor(self, x: Array) -> Array:
        return self.centre + self.swing * np.sin(self.constant / self.swing * x + self.phases[0])

    def __call__(self, y: Array, x: Array) -> Array:
        state = y if self.linear else np.tanh(y)
        push = self.constant / self.rate * np.sin(self.rate * x + self.phases[1])
        return self.factor(x)[:, None] * (state @ self.A.T) + push[:, None] * self.direction


def exceeds(measured: Array, limit: Array) -> bool:
    """Whether a measured slope is above its limit by more than rounding."""
    return bool((measured > limit * (1 + 1e-9)).any())


def measured_and_allowed(G: RandomRegular, claimed: float, seed: int) -> tuple[Array, Array]:
    """Λ_t of 50 random pairs of inputs, t = 1 … 40, and their speed limits with the claimed constant."""
    draw = np.random.default_rng(seed)
    x = draw.uniform(-1, 1, size=50)
    other = x + draw.choice([-1, 1], size=50) * 10 ** draw.uniform(-4, 0, size=50)
    here, there = (iterates(G, np.zeros((50, 2)), points, 40) for points in (x, other))
    slopes = np.linalg.norm(here - there, axis=2)[1:] / np.abs(x - other)
    return slopes, speed_limit(G.modulus(x), claimed, np.linalg.norm(there, axis=2)[:-1])


@given(seed=st.integers(0, 10**6), constant=st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_no_random_regular_operator_is_faster(seed: int, constant: float) -> None:
    slopes, limit = measured_and_allowed(RandomRegular(seed, constant), constant, seed + 1)
    assert not exceeds(slopes, limit)


@given(seed=st.integers(0, 10**6), constant=st.floats(0.1, 10), bound_by=fractions)
@settings(max_examples=40, deadline=None)
def test_the_closed_bounds_are_above_the_recursion(seed: int, constant: float, bound_by: float) -> None:
    """For any sizes that obey what the closed bounds assume of them."""
    sizes = np.random.default_rng(seed).uniform(0, 3, size=60)
    t = np.arange(1.0, 61)
    exact = speed_limit(bound_by, constant, sizes)
    assert not exceeds(exact, bounded_speed_limit(bound_by, constant, sizes.max(), t))
    growing = np.minimum(sizes, 0.3 * np.arange(60))  # ‖y_{t−1}‖ ≤ (t − 1) g
    assert not exceeds(speed_limit(1.0, constant, growing), unbounded_speed_limit(constant, 0.3, t))


def sharp(constant: float, first: float) -> Callable[[Array, Array], Array]:
    """G(y, x) = y − L x (1 + y) + g: regular with L on (0, min(g, 1)/L], where its iterates are not negative."""
    return lambda y, x: y - constant * x * (1 + y) + first


@given(constant=st.floats(0.1, 5), first=st.floats(0.1, 5))
@settings(max_examples=30, deadline=None)
def test_a_smaller_constant_than_the_true_one_turns_red(constant: float, first: float) -> None:
    """The mutation: the operator that attains the limit is not regular with 0.99 L, and breaks the limit of 0.99 L."""
    x = np.array([1e-9, 2e-9]) / constant
    here, there = iterates(sharp(constant, first), np.zeros(2), x, 30).T
    slopes = np.abs(here - there)[1:] / (x[1] - x[0])
    modulus = 1 - constant * x[0]
    assert not exceeds(slopes * (1 - 1e-5), speed_limit(modulus, constant, there[:-1]))
    assert exceeds(slopes * (1 - 1e-5), speed_limit(modulus, 0.99 * constant, there[:-1]))


def test_a_random_operator_that_is_not_regular_with_the_claimed_constant_turns_red() -> None:
    found = [exceeds(*measured_and_allowed(RandomRegular(seed, 1.0), 0.3, seed)) for seed in range(20)]
    assert all(found)


@pytest.mark.parametrize("claimed", [1.0, 100.0, 1e6])
def test_the_averaging_operator_breaks_through_any_envelope(claimed: float) -> None:
    """(1 − η) y + η/x has |y_1'| = η/x²: above the limit of L for every x < √(η/L)."""
    x = np.array([0.5, 0.9]) * math.sqrt(0.5 / claimed)
    slopes = 0.5 * np.abs(1 / x[0] - 1 / x[1]) / (x[1] - x[0])
    assert exceeds(np.array([slopes]), speed_limit(0.5, claimed, np.zeros(1)))


def test_one_over_x_has_exactly_the_quadratic_slope_at_zero() -> None:
    """y_t'(0) = −η² t (t − 1)/2, from the iterates themselves and by induction."""
    x, eta, n = sympy.symbols("x eta n", positive=True)
    iterate = sympy.Integer(0)
    for t in range(1, 13):
        iterate = sympy.expand(iterate - eta * (x * iterate - 1))
        assert sympy.expand(sympy.diff(iterate, x).subs(x, 0) + eta**2 * t * (t - 1) / 2) == 0
    slope, height = -(eta**2) * n * (n - 1) / 2, eta * n  # y_{t+1}'(0) = y_t'(0) − η y_t(0)
    assert sympy.simplify(slope - eta * height - slope.subs(n, n + 1)) == 0
    assert sympy.limit(-slope / (eta * (n + eta * n * (n - 1) / 2)), n, sympy.oo) == 1


def test_the_unbounded_limit_is_attained_for_every_t() -> None:
    """By G(y, x) = y − L x (1 + y) + g, whatever L and g: no bound in L, g and t alone is smaller."""
    x, constant, first = sympy.symbols("x L g", positive=True)
    iterate = sympy.Integer(0)
    for t in range(1, 13):
        iterate = sympy.expand(iterate - constant * x * (1 + iterate) + first)
        limit = unbounded_speed_limit(constant=2.5, first=0.75, iterations=np.array([float(t)]))[0]
        slope = sympy.diff(iterate, x).subs(x, 0)
        assert sympy.expand(slope + constant * (t + first * t * (t - 1) / 2)) == 0
        assert float(slope.subs({constant: sympy.Rational(5, 2), first: sympy.Rational(3, 4)})) == -limit


def test_the_bounded_limit_is_attained_as_the_bound_goes_to_zero() -> None:
    """By G(y, x) = μ y + L x near x = 0, where the iterates are as small as one likes."""
    t = np.arange(1.0, 200)
    for modulus in (0.0, 0.5, 0.99):
        slopes = 3 * (1 - modulus**t) / (1 - modulus)
        limit = bounded_speed_limit(modulus, 3.0, 1e-12, t)
        assert not exceeds(slopes, limit)
        assert slopes[0] == pytest.approx(limit[0]) and slopes[-1] == pytest.approx(limit[-1], rel=0.15)
        np.testing.assert_allclose(speed_limit(modulus, 3.0, np.zeros(199)), slopes, rtol=1e-12)


def test_numpy_and_torch_agree_and_broadcast() -> None:
    sizes = np.random.default_rng(0).uniform(0, 2, size=(7, 3))
    modulus, t = np.array([0.0, 0.5, 1.0]), np.arange(1.0, 8)
    columns = speed_limit(modulus, 1.5, sizes)
    assert columns.shape == (7, 3)
    torch.testing.assert_close(
        speed_limit(torch.from_numpy(modulus), 1.5, torch.from_numpy(sizes)), torch.from_numpy(columns)
    )
    np.testing.assert_allclose(speed_limit(0.5, 1.5, sizes[:, 1]), columns[:, 1])
    assert speed_limit(modulus, 1.5, sizes[:, :1]).shape == (7, 3)
    for function in (
        lambda counts: bounded_speed_limit(0.9, 1.5, 2.0, counts),
        lambda counts: unbounded_speed_limit(1.5, 2.0, counts),
    ):
        torch.testing.assert_close(function(torch.from_numpy(t)), torch.from_numpy(function(t)))


def test_a_modulus_of_one_leaves_only_the_count() -> None:
    np.testing.assert_array_equal(bounded_speed_limit(1.0, 2.0, 1.0, np.arange(4.0)), [0, 4, 8, 12])


@given(slope=st.floats(0, 1e12), constant=st.floats(1e-6, 1e6), bound=st.floats(0, 1e6))
@settings(max_examples=100, deadline=None)
def test_the_least_iterations_are_the_least(slope: float, constant: float, bound: float) -> None:
    t = least_iterations(slope, constant, bound)
    step = Fraction(constant) * (1 + Fraction(bound))
    assert step * t >= Fraction(slope) and (t == 0 or step * (t - 1) < Fraction(slope))


def test_least_iterations_of_round_numbers() -> None:
    assert least_iterations(20, 2, 0.0) == 10 and least_iterations(0.0, 2, 1) == 0
    assert least_iterations(100, 0.5, 9) == 20 and least_iterations(100.0001, 0.5, 9) == 21


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: speed_limit(1.1, 1.0, np.zeros(2)), "between 0 and 1"),
        (lambda: speed_limit(math.nan, 1.0, np.zeros(2)), "between 0 and 1"),
        (lambda: speed_limit(torch.tensor([0.5, -0.1]), 1.0, torch.zeros(2, 2)), "between 0 and 1"),
        (lambda: speed_limit(0.5, -1.0, np.zeros(2)), "constant must be"),
        (lambda: speed_limit(0.5, 1.0, np.array([0.0, math.nan])), "negative or not finite"),
        (lambda: speed_limit(0.5, 1.0, np.array([-1.0])), "negative or not finite"),
        (lambda: speed_limit(0.5, 1.0, np.zeros(0)), "one row for each"),
        (lambda: speed_limit(0.5, 1.0, np.zeros(())), "one row for each"),
        (lambda: bounded_speed_limit(0.5, 1.0, math.nan, np.ones(1)), "bound must be"),
        (lambda: bounded_speed_limit(0.5, 1.0, 1.0, -np.ones(1)), "counts"),
        (lambda: unbounded_speed_limit(1.0, math.inf, np.ones(1)), "first must be"),
        (lambda: least_iterations(math.inf, 1.0, 1.0), "slope must be"),
        (lambda: least_iterations(1.0, 0.0, 1.0), "does not depend on x"),
    ],
)
def test_says_what_is_wrong(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
