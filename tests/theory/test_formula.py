"""The values of formulas against mpmath and sympy, and torch's against NumPy's and its own derivatives."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from implicit_lib.theory import Formula, parse
from implicit_lib.theory._pointwise import COMPARE
from implicit_lib.theory._tree import Piecewise, evaluate
from tests.theory.strategies import formulas

LARGE = mpmath.mpf(10) ** 300  # beyond it double precision overflows, or underflows
NAN = float("nan")
POINTS = st.lists(st.integers(-32, 32), min_size=2, max_size=2).map(lambda pair: [n / 8 for n in pair])


class Undefined(Exception):
    """A formula has no value at a point."""


class OutOfRange(Exception):
    """A value on the way is too large or too small for double precision."""


@dataclass
class Exact:
    """Formulas in mpmath, with an error of relative size `noise` in every operation, to see how far errors grow."""

    noise: mpmath.mpf
    seed: int = 0

    def _rounded(self, value: Any) -> Any:
        if value != 0 and not 1 / LARGE < abs(value) < LARGE:
            raise OutOfRange
        self.seed = (self.seed * 1103515245 + 12345) % 2**31
        return value * (1 + self.noise * (1 if self.seed & 2**16 else -1))

    def number(self, value: Fraction) -> Any:
        return mpmath.mpf(value.numerator) / value.denominator

    def constant(self, name: str) -> Any:
        return self._rounded(+getattr(mpmath, name))

    def power(self, base: Any, exponent: Fraction) -> Any:
        if (exponent < 0 and base == 0) or (exponent.denominator > 1 and base < 0):
            raise Undefined
        return self._rounded(base ** (int(exponent) if exponent.denominator == 1 else self.number(exponent)))

    def apply(self, name: str, *args: Any) -> Any:
        undefined: dict[str, Callable[..., bool]] = {
            "div": lambda a, b: b == 0,
            "log": lambda a: a <= 0,
            "sqrt": lambda a: a < 0,
            "gamma": lambda a: a <= 0 and a == mpmath.floor(a),
            "pow": lambda a, b: a < 0 or (a == 0 and b <= 0),
        }
        if name in undefined and undefined[name](*args):
            raise Undefined
        if name in ("exp", "sin", "cos", "tan", "gamma") and abs(args[0]) > 1e4:
            raise OutOfRange
        if name == "pow" and args[0] > 0 and abs(args[1] * mpmath.log(args[0])) > 1e4:
            raise OutOfRange
        own: dict[str, Callable[..., Any]] = {
            "add": lambda a, b: a + b,
            "sub": lambda a, b: a - b,
            "mul": lambda a, b: a * b,
            "div": lambda a, b: a / b,
            "neg": lambda a: -a,
            "pow": lambda a, b: a**b,
            "abs": abs,
            "min": min,
            "max": max,
        }
        return self._rounded((own.get(name) or getattr(mpmath, name))(*args))

    def piecewise(self, node: Piecewise, variables: Mapping[str, Any]) -> Any:
        for test, branch in node.branches:
            if COMPARE[test.relation](evaluate(test.left, self, variables), evaluate(test.right, self, variables)):
                return evaluate(branch, self, variables)
        return evaluate(node.otherwise, self, variables)


def exact(formula: Formula, point: list[float], noise: float = 0.0, seed: int = 0) -> Any:
    """The value in 60 digits; NaN where the formula is undefined."""
    with mpmath.workdps(60):
        values = {name: mpmath.mpf(x) for name, x in zip(formula.variables, point, strict=True)}
        try:
            return evaluate(formula.tree, Exact(mpmath.mpf(noise), seed), values)
        except Undefined:
            return mpmath.nan


def expected(formula: Formula, point: list[float]) -> tuple[float, float]:
    """A value and the error that rounding may cause; points where rounding decides between cases are passed over."""
    try:
        value = exact(formula, point)
        noisy = [exact(formula, point, 4e-16, seed) for seed in range(6)]
    except OutOfRange:
        assume(False)
    defined = [not mpmath.isnan(other) for other in (value, *noisy)]
    assume(all(defined) or not any(defined))
    if not defined[0]:
        return NAN, 0.0
    return float(value), 1e-300 + 1e-14 * abs(float(value)) + 40 * max(abs(float(other - value)) for other in noisy)


def close(value: float, truth: tuple[float, float]) -> bool:
    return bool(np.isnan(value) and np.isnan(truth[0])) or abs(value - truth[0]) <= truth[1]


@settings(max_examples=250, deadline=None)
@given(formulas(("x", "y")), POINTS)
def test_values_are_those_of_mpmath(formula: Formula, point: list[float]) -> None:
    truth = expected(formula, point)
    assert close(float(formula(*point)), truth)
    assert close(float(formula(*torch.tensor(point, dtype=torch.float64))), truth)


@settings(max_examples=100, deadline=None)
@given(formulas(("x", "y"), leaves=6), POINTS)
def test_sympy_agrees_where_the_formula_is_defined(formula: Formula, point: list[float]) -> None:
    try:
        expression = formula.sympy
    except ValueError:  # it says that sympy would write out large numbers
        assume(False)
    truth, error = expected(formula, point)
    assume(not np.isnan(truth))
    symbols = [sympy.Symbol(name, real=True) for name in formula.variables]
    assert expression.free_symbols <= set(symbols)
    with mpmath.workdps(60):
        value = sympy.lambdify(symbols, expression, "mpmath")(*map(mpmath.mpf, point))
        assert abs(value - truth) <= error


@pytest.mark.parametrize(
    "text, x, value",
    [
        ("1/x", 0.0, NAN),
        ("log(x)", 0.0, NAN),
        ("log(x)", -1.0, NAN),
        ("sqrt(x)", -1e-300, NAN),
        ("sqrt(x)", 0.0, 0.0),
        ("x**(1/3)", -8.0, NAN),
        ("x**(1/3)", 8.0, 2.0),
        ("x**(1/3)", -np.inf, NAN),
        ("abs(x)**(1/3)", -8.0, 2.0),
        ("x**-3", -2.0, -0.125),
        ("x**-0.5", 0.0, NAN),
        ("x**0", 0.0, 1.0),
        ("(1/x)**0", 0.0, NAN),
        ("1**(1/x)", 0.0, NAN),
        ("x**x", 0.0, NAN),
        ("x**x", -2.0, NAN),
        ("x**(x + 1)", 0.0, 0.0),
        ("gamma(x)", 0.0, NAN),
        ("gamma(x)", -3.0, NAN),
        ("gamma(x)", 172.0, np.inf),
        ("gamma(x)", np.inf, np.inf),
        ("exp(x)", 1000.0, np.inf),
        ("1/exp(x)", 1000.0, 0.0),
        ("max(1/x, 1)", 0.0, NAN),
        ("min(1, x, 1/x)", 0.0, NAN),
        ("0*log(x)", -1.0, NAN),
        ("x", NAN, NAN),
        ("piecewise(x < 0, -1, x == 0, 0, 1)", 0.0, 0.0),
        ("piecewise(x < 0, -1, x == 0, 0, 1)", NAN, NAN),
        ("piecewise(x <= 0, 5, log(x) > 0, 1, 2)", -1.0, 5.0),
        ("piecewise(log(x) > 0, 1, x < 0, 2, 3)", -1.0, NAN),
        ("piecewise(x == 0, 1, sin(x)/x)", 0.0, 1.0),
    ],
)
def test_where_a_formula_is_undefined(text: str, x: float, value: float) -> None:
    formula = parse(text)
    np.testing.assert_allclose(formula(x), value, rtol=1e-15)
    np.testing.assert_allclose(formula(torch.tensor(x, dtype=torch.float64)).numpy(), value, rtol=1e-15)


def test_gamma_on_both_sides_of_its_poles() -> None:
    x = np.concatenate([np.linspace(-20.03, 20, 4001), np.linspace(100, 171.6, 500), [1e-300, -1e-300, -170.5, -200.5]])
    with mpmath.workdps(40):
        truth = np.array([float(mpmath.gamma(value)) for value in x])
    formula = parse("gamma(x)")
    np.testing.assert_allclose(formula(x), truth, rtol=4e-15, atol=1e-320)
    np.testing.assert_allclose(formula(torch.from_numpy(x)).numpy(), truth, rtol=3e-13, atol=1e-320)
    at = torch.from_numpy(x[(np.abs(x) < 20) & (np.abs(x) > 1e-9)]).requires_grad_()
    (slope,) = torch.autograd.grad(formula(at).sum(), at)
    points = at.detach().numpy()
    np.testing.assert_allclose(slope.numpy(), scipy.special.gamma(points) * scipy.special.digamma(points), rtol=1e-8)


def test_derivatives_are_those_of_sympy() -> None:
    x = np.linspace(0.13, 1.4, 9)
    for text in (
        "x**x",
        "log(x)/x",
        "tan(x)*tanh(x)",
        "atan(x)**3",
        "abs(x - 1)",
        "max(x, x**2, 0.5)",
        "sqrt(exp(-x**2))",
    ):
        formula = parse(text)
        at = torch.from_numpy(x).requires_grad_()
        (slope,) = torch.autograd.grad(formula(at).sum(), at)
        symbol = sympy.Symbol("x", real=True)
        truth = [float(sympy.diff(formula.sympy, symbol).subs(symbol, sympy.Rational(value)).evalf(30)) for value in x]
        np.testing.assert_allclose(slope.numpy(), truth, rtol=1e-12)


@pytest.mark.parametrize(
    "text, slopes",
    [
        ("piecewise(x <= 0, 2*x, sqrt(x))", [2.0, 2.0, 0.25]),
        ("piecewise(x <= 0, 2*x, 1/x)", [2.0, 2.0, -1 / 16]),
        ("piecewise(x <= 0, x, 1000*x > 3000, x**3, exp(1000*x))", [1.0, 1.0, 48.0]),
        ("piecewise(x <= 0, 0, x**-0.5*log(x) < 9, x**2, 1)", [0.0, 0.0, 8.0]),
        ("piecewise(x > 0, piecewise(x < 1, log(x), x), x**2)", [-2.0, 0.0, 1.0]),
        ("piecewise(x == 0, 1, sin(x)/x)", [np.sin(1) - np.cos(1), 0.0, (4 * np.cos(4) - np.sin(4)) / 16]),
        (
            "1 + 3*piecewise(x < 0, gamma(x + 5), x < 1, x, gamma(x - 3)*x**2)",
            [18 * (11 / 6 - np.euler_gamma), 3.0, 3 * (8 - 16 * np.euler_gamma)],
        ),
    ],
)
def test_a_branch_that_does_not_hold_leaves_no_trace_in_the_derivative(text: str, slopes: list[float]) -> None:
    x = torch.tensor([-1.0, 0.0, 4.0], dtype=torch.float64, requires_grad=True)
    formula = parse(text)
    (slope,) = torch.autograd.grad(formula(x).sum(), x)
    np.testing.assert_allclose(slope.numpy(), slopes, rtol=1e-12)
    mapped = torch.func.vmap(torch.func.grad(formula))(x.detach())
    np.testing.assert_array_equal(mapped.numpy(), slope.numpy())


def test_shapes_and_dtypes() -> None:
    formula = parse("x + 2*y", ("x", "y"))
    assert formula(np.zeros((3, 1)), np.ones(4)).shape == (3, 4)
    assert formula(torch.zeros(3, 1), torch.ones(4)).shape == (3, 4)
    for text in ("2", "pi", "x", "piecewise(1 < 2, x, y)"):
        value = parse(text, ("x", "y"))(np.zeros((3, 1), dtype=np.int64), np.ones(4, dtype=np.float32))
        assert value.shape == (3, 4) and value.dtype == np.float64
    assert formula(torch.zeros(2), 1.0).dtype == torch.float32
    assert formula(torch.zeros(2, dtype=torch.float64), torch.ones(2)).dtype == torch.float64
    assert formula(torch.zeros(2, dtype=torch.int64), 1).dtype == torch.float32
    given = np.zeros(3)
    parse("x")(given)[:] = 1
    assert not given.any()


def test_what_a_formula_does_not_take() -> None:
    formula = parse("x + y", ("x", "y"))
    with pytest.raises(TypeError, match="variables x, y, got 1 values"):
        formula(1.0)
    for wrong in (1j, "1", None):
        with pytest.raises(TypeError, match="real numbers"):
            formula(wrong, 1.0)
    with pytest.raises(TypeError, match="real numbers, got torch.complex64"):
        formula(torch.zeros(1, dtype=torch.complex64), 1.0)


@pytest.mark.parametrize(
    "text",
    [
        *("exp(x + 10**9*log(3))", "3**(x - x + 9**10)", "gamma(10**9 + x - x)", "exp(-10**9*log(3))"),
        *("exp(exp(exp(100 + x - x)))", "2**(-10**9*min(1, 2))", "exp(10**5*(x + 10**5*log(3)))"),
    ],
)
def test_sympy_is_kept_from_writing_out_huge_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="digit by digit"):
        _ = parse(text).sympy


def test_sympy_gets_real_symbols_and_exact_numbers() -> None:
    x = sympy.Symbol("x", real=True)
    assert parse("0.1*x + 1/3").sympy == sympy.Rational(1, 10) * x + sympy.Rational(1, 3)
    assert parse("sqrt(x**2)").sympy == sympy.Abs(x)
    step = parse("piecewise(x < 0, -1, x == 0, 0, 1)").sympy
    assert step == sympy.Piecewise((-1, x < 0), (0, sympy.Eq(x, 0)), (1, True))


def test_the_theory_loads_sympy_only_when_asked() -> None:
    code = "import sys; from implicit_lib.theory import parse; parse('x')(1.0); sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
