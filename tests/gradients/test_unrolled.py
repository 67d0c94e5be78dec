"""Checkpoints: the same gradient, from less memory."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib import ConvergenceWarning, ImplicitModel, UnrolledGradient
from tests.gradients.problems import equilibrium, tanh_equilibrium, tanh_operator, tanh_problem


@given(
    checkpoint=st.integers(1, 40),
    max_iter=st.integers(0, 30),
    tol=st.sampled_from([0.0, 1e-2, 1e-6]),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_checkpoints_change_nothing(checkpoint: int, max_iter: int, tol: float, seed: int) -> None:
    W, x = tanh_problem(modulus=0.8, seed=seed)
    pair = []
    for gradient in (UnrolledGradient(), UnrolledGradient(checkpoint=checkpoint)):
        solution = equilibrium(gradient, tanh_operator(W, x), torch.zeros_like(x), max_iter=max_iter, tol=tol)
        slopes = torch.autograd.grad(solution.value.square().sum(), (W, x)) if max_iter else ()
        pair.append((solution, slopes))
    (plain, expected), (found, slopes) = pair
    assert torch.equal(plain.value, found.value) and plain.status == found.status
    assert torch.equal(plain.iterations, found.iterations) and torch.equal(plain.residuals, found.residuals)
    for a, b in zip(expected, slopes, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-15)


def test_the_operator_runs_once_more_and_no_oftener() -> None:
    W, x = tanh_problem(modulus=0.8)
    calls = 0

    def G(y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return tanh_operator(W, x)(y)

    value = equilibrium(UnrolledGradient(checkpoint=6), G, torch.zeros_like(x), max_iter=24, tol=0).value
    assert calls == 24
    value.sum().backward()
    assert calls == 48


def test_a_solve_that_has_ended_is_not_walked_on() -> None:
    x = torch.ones(3, requires_grad=True)
    calls = 0

    def G(y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return 0.1 * y + x

    gradient = UnrolledGradient(checkpoint=2)
    solution = equilibrium(gradient, G, torch.zeros(3), max_iter=1000, tol=1e-3)
    assert solution.converged.all() and calls <= 6


def test_a_trajectory_has_the_checkpoints_of_the_models_gradient() -> None:
    W, x = tanh_problem(modulus=0.8)
    pair = []
    for gradient in (UnrolledGradient(), UnrolledGradient(checkpoint=3)):
        model = ImplicitModel(lambda y, q: torch.tanh(y @ W.T + q), gradient=gradient)
        trajectory = model.trajectory(x, 8)
        assert len(trajectory) == 8
        pair.append(torch.autograd.grad(sum(y.square().sum() for y in trajectory), (W, x)))
    for a, b in zip(*pair, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.filterwarnings(f"error::{ConvergenceWarning.__module__}.ConvergenceWarning")
def test_without_gradients_there_are_no_checkpoints() -> None:
    W, x = tanh_problem(modulus=0.5)
    with torch.no_grad():
        assert not tanh_equilibrium(UnrolledGradient(checkpoint=2), W, x).requires_grad


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"checkpoint": 0}, ValueError, "checkpoint must be at least 1"),
        ({"checkpoint": -2}, ValueError, "checkpoint must be at least 0"),
        ({"checkpoint": 2.0}, TypeError, "checkpoint must be an integer"),
        ({"checkpoint": True}, TypeError, "checkpoint must be an integer"),
        ({"segments": 2}, TypeError, "segments"),
    ],
)
def test_settings_out_of_range(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        UnrolledGradient(**options)
