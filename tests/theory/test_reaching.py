"""What is reached, what is refused, and that nothing is reached that is not locally Lipschitz."""

import re
import time

import numpy as np
import pytest
import torch

from implicit_lib.theory import NotReached, RegularOperator

REACHED = (
    ("log(x)", "(0, 4]"),
    ("tan(x)", "(-pi/2, pi/2)"),
    ("sqrt(x)", "(0, 4]"),
    ("1/x", "(0, 1]"),
    ("1/x", r"[-1, 1] \ {0}"),
    ("1/x", r"[-2, 2] \ [-0.5, 0.5]"),
    ("gamma(x)", "(0, 5]"),
    ("sin(1/x)", "(0, 1]"),
    ("sin(1/x)", r"[-1, 1] \ {0}"),
    ("x*sin(1/x)", "(0, 1]"),
    ("exp(x**2)", "[-3, 3]"),
    ("abs(x)", "[-1, 1]"),
    ("abs(x)**(1/3)", r"[-1, 1] \ {0}"),
    ("abs(x)**1.5", "[-1, 1]"),
    ("max(x, 1 - x)", "[-1, 1]"),
    ("piecewise(x < 0, -x, x**2)", "[-1, 1]"),
    ("piecewise(x < 1/3, x, 2/3 - x)", "[-1, 1]"),
    ("piecewise(x < 0, -1, 1)", r"[-1, 1] \ {0}"),
    ("sqrt(1 + x**2)", "(-inf, inf)"),
    ("1/(1 - x)", "(1, inf)"),
    ("log(sin(x))", "(0, pi)"),
    ("1/(1 - cos(x))", "(0, 1]"),
    ("x*y", "[-1, 1] x [-1, 1]"),
    ("1/(x*y)", "(0, 1] x (0, 1]"),
    ("sqrt(x**2 + y**2)", "[-1, 1] x [-1, 1]"),
    ("1/sqrt(x**2 + y**2)", r"[-1, 1] x [-1, 1] \ {(0, 0)}"),
)
UNDECIDED = (
    ("sqrt(x)*sqrt(x)", "[0, 1]"),
    ("piecewise(x == 0, 0, x**2*sin(1/x))", "[-1, 1]"),
    ("piecewise(x < 0, 0, x*y)", "[-1, 1] x [-1, 1]"),
)


@pytest.mark.parametrize(("text", "domain"), REACHED)
def test_reached(text: str, domain: str) -> None:
    start = time.process_time()
    operator = RegularOperator.reaching(text, domain)
    assert time.process_time() - start <= 2
    assert operator.verdict.kind == "certified" and operator.verdict.lines


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x*y/(x**2 + y**2)", "has no value"),
        ("piecewise(x < y, 0, 1)", "jumps"),
        ("sqrt(abs(x*y))", "infinite slope at x = 1, y = 0: F(1, h) changes like h"),
    ],
)
def test_refused_in_the_plane(text: str, reason: str) -> None:
    with pytest.raises(NotReached, match=re.escape(reason)) as refusal:
        RegularOperator.reaching(text, "[-1, 1] x [-1, 1]")
    x, y = refusal.value.verdict.at or (1, 2)
    assert refusal.value.verdict.kind == "refuted" and x * y * (x - y) == 0


@pytest.mark.parametrize(("text", "domain"), UNDECIDED)
def test_undecided_says_so_and_why(text: str, domain: str) -> None:
    with pytest.raises(NotReached, match="undecided: .*no proof") as refusal:
        RegularOperator.reaching(text, domain)
    assert refusal.value.verdict.kind == "undecided" and not refusal.value.verdict


# Not locally Lipschitz at 1/7, which no binary number hits, for many reasons and in many disguises.
@pytest.mark.parametrize("shape", ["abs({u})**0.9", "1/{u}", "log(abs({u}))", "atan(1/{u})", "{u}/abs({u})"])
@pytest.mark.parametrize("u", ["(x - 1/7)", "(7*x - 1)", "(x**3 - 1/343)", "sin(x - 1/7)", "(exp(7*x - 1) - 1)"])
def test_a_function_that_is_not_locally_lipschitz_is_never_reached(shape: str, u: str) -> None:
    with pytest.raises(NotReached) as refusal:
        RegularOperator.reaching(shape.format(u=u), "[-1, 1]")
    assert refusal.value.verdict.at == pytest.approx((1 / 7,), abs=1e-9)


def test_no_point_outside_of_the_domain_refutes() -> None:
    for domain in (r"[-1, 1] \ {1/7}", "(1/7, 1]", "[-1, 1/7)"):
        assert RegularOperator.reaching("1/(x - 1/7)", domain).verdict
    assert RegularOperator.reaching("piecewise(x < 1/7, 5, x)", "[1/7, 1]").verdict
    assert RegularOperator.reaching("piecewise(x < 0, 1/x, x)", r"[-1, 1] \ [-1/2, 0]").verdict


@pytest.mark.parametrize(("text", "domain"), REACHED)
def test_the_operator_is_regular_with_constant_two_on_samples(text: str, domain: str) -> None:
    operator = RegularOperator.reaching(text, domain)
    x = samples(operator)
    y = np.linspace(-30, 30, 7)[:, None, *[None] * (operator.domain.dimension - 1)].reshape(7, 1)
    step, target = operator.epsilon(x), operator.F(x)
    assert np.all((step > 0) & (step <= 0.5))
    values = y + step * (target - y)
    points = x.reshape(len(x), -1)
    distance = np.linalg.norm(points[1:] - points[:-1], axis=1)
    quotients = np.abs(np.diff(values, axis=1)) / distance
    # ε F is rounded, and so is what a quotient divides
    error = 1e-15 * (1 + np.abs(y)) / distance
    assert np.all(quotients <= 2 * (1 + np.abs(y)) + error)


def samples(operator: RegularOperator) -> np.ndarray:
    draws = np.random.default_rng(0)
    columns = []
    for axis in operator.domain.axes:
        low, high = max(axis.low_value, -50), min(axis.high_value, 50)
        columns.append(draws.uniform(low, high, 3000))
    x = np.stack(columns, axis=1)
    x = x[operator.domain.contains(x)]
    x = x[np.lexsort(x.T[::-1])]
    return x[:, 0] if operator.domain.dimension == 1 else x


def test_iterating_reaches_the_target_in_the_steps_foretold() -> None:
    operator = RegularOperator.reaching("1/x", "(0, 1]")
    x = np.array([0.2, 0.5, 1.0])
    steps = operator.steps_to(x, 1e-6)
    y, G = np.zeros(3), operator.at(x)
    errors = [abs(y - 1 / x)]
    for _ in range(int(max(steps))):
        y = G(y)
        errors.append(abs(y - 1 / x))
    for i, count in enumerate(steps.astype(int)):
        assert errors[count][i] <= 1e-6 * (1 + 1e-9) < errors[count - 1][i] * (1 + 1e-6)
    assert np.isnan(operator.epsilon(np.array([0.0, 2.0]))).all()


def test_torch_and_numpy_agree_and_torch_differentiates() -> None:
    operator = RegularOperator.reaching("x*y", "[-1, 3] x [-1, 3]")
    x = torch.rand(5, 2, dtype=torch.float64, requires_grad=True)
    y = operator(torch.ones(5, dtype=torch.float64), x)
    np.testing.assert_allclose(y.detach().numpy(), operator(np.ones(5), x.detach().numpy()), rtol=1e-15)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert slope.norm(dim=1).max() <= 4


def test_a_torch_function_is_never_proved() -> None:
    operator = RegularOperator.reaching(
        lambda x: torch.stack([x[:, 0] * x[:, 1], x[:, 0].sin()], 1), "[-1, 1] x [0, 2]"
    )
    assert operator.verdict.kind == "not refuted" and not operator.verdict
    x = torch.rand(4, 2, dtype=torch.float64)
    assert operator(torch.zeros(4, 2, dtype=torch.float64), x).shape == (4, 2)
    jumps = ((lambda x: torch.sign(x - 0.3), 0.3), (lambda x: 1 / (x - 0.3), 0.3), (lambda x: torch.tanh(1e14 * x), 0))
    for function, place in jumps:  # the last one is steep only: samples cannot tell
        with pytest.raises(NotReached, match="looks like a jump") as refusal:
            RegularOperator.reaching(function, "[-1, 1]")
        verdict = refusal.value.verdict
        assert verdict.kind == "undecided" and verdict.at == pytest.approx((place,), abs=1e-9)
    with pytest.raises(NotReached, match="refuted: F is not finite at"):
        RegularOperator.reaching(torch.log, "[-1, 1]")


def test_variables_must_fit() -> None:
    with pytest.raises(ValueError, match="2 variables needs a domain of as many"):
        from implicit_lib.theory import parse

        RegularOperator.reaching(parse("x*y", ("x", "y")), "[0, 1]")
    with pytest.raises(ValueError, match="must hold 2 coordinates"):
        RegularOperator.reaching("x*y", "[0, 1] x [0, 1]").radius(np.zeros(3))
