"""The phantom gradient against its closed form, and the implicit gradient that it approaches."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib import ImplicitGradient, JacobianFreeGradient, PhantomGradient
from tests.gradients.problems import dense_gradient, distance, equilibrium, tanh_equilibrium, tanh_problem


@given(steps=st.integers(1, 30), damping=st.floats(0.1, 1.0), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_the_closed_form_for_a_linear_operator(steps: int, damping: float, seed: int) -> None:
    """G(y) = A y + b: dL/db = λ (I + Mᵀ + … + (Mᵀ)^{k−1}) g with M = (1 − λ) I + λ A."""
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    A = 0.8 * A / torch.linalg.matrix_norm(A, ord=2)
    b = torch.randn(2, 5, generator=generator, dtype=torch.float64).requires_grad_()
    g = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    gradient = PhantomGradient(steps=steps, damping=damping)
    y = equilibrium(gradient, lambda y: y @ A.T + b, torch.zeros_like(b)).value
    (found,) = torch.autograd.grad(y, b, g)
    M = (1 - damping) * torch.eye(5, dtype=torch.float64) + damping * A
    series = sum(torch.linalg.matrix_power(M, power) for power in range(steps))
    torch.testing.assert_close(found, damping * g @ series, rtol=1e-10, atol=1e-12)


def test_the_error_falls_with_the_steps() -> None:
    W, x = tanh_problem(modulus=0.8)
    errors = []
    for steps in (1, 4, 16, 64, 256):
        y = tanh_equilibrium(PhantomGradient(steps=steps, damping=0.5), W, x)
        incoming = torch.cos(3 * y.detach())
        found = torch.autograd.grad(y, (W, x), incoming)
        errors.append(distance(found, dense_gradient(W, x, y, incoming)))
    assert errors == sorted(errors, reverse=True) and errors[0] > 0.1 and errors[-1] < 1e-8


def test_one_undamped_step_is_jacobian_free() -> None:
    W, x = tanh_problem(modulus=0.8)
    pair = [
        torch.autograd.grad(tanh_equilibrium(gradient, W, x).sum(), (W, x))
        for gradient in (PhantomGradient(steps=1, damping=1), JacobianFreeGradient())
    ]
    assert all(torch.equal(a, b) for a, b in zip(*pair, strict=True))


def test_it_is_not_the_implicit_gradient() -> None:
    W, x = tanh_problem(modulus=0.9)
    few, exact = (
        torch.autograd.grad(tanh_equilibrium(gradient, W, x).sum(), (W, x))
        for gradient in (PhantomGradient(steps=5), ImplicitGradient(tol=1e-10, max_iter=1000))
    )
    assert distance(few, exact) > 0.05


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"steps": -1}, ValueError, "steps must be at least 0"),
        ({"steps": 1.5}, TypeError, "steps must be an integer"),
        ({"damping": 0}, ValueError, r"damping must be in \(0, 1\]"),
        ({"damping": 1.5}, ValueError, "damping must be"),
        ({"damping": "half"}, ValueError, "damping must be"),
        ({"tau": 0.5}, TypeError, "tau"),
    ],
)
def test_settings_out_of_range(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PhantomGradient(**options)
