"""The accuracy of the implicit gradient: at most 3 tol, whatever the contraction, the scale and the dtype."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from implicit_lib import ConvergenceWarning, ImplicitGradient, Picard
from implicit_lib.gradients._adjoint import _amplification
from tests.gradients.problems import dense_gradient, distance, equilibrium, tanh_equilibrium, tanh_problem


def errors(W: Tensor, x: Tensor, incoming: Tensor, gradient: ImplicitGradient) -> float:
    y = tanh_equilibrium(gradient, W, x, tol=1e-13 if x.dtype == torch.float64 else 3e-7, max_iter=5000)
    found = torch.autograd.grad(y, (W, x), incoming)
    return distance(found, dense_gradient(W, x, y, incoming))


@given(
    kind=st.sampled_from(["any", "symmetric", "rotation", "slow"]),
    modulus=st.floats(0.01, 0.98),
    tol=st.sampled_from([1e-2, 1e-3, 1e-4, 1e-5, 1e-6]),
    scale=st.sampled_from([1e-9, 1.0, 1e9]),
    seed=st.integers(0, 1000),
    damping=st.sampled_from([1.0, 0.5]),
)
@settings(max_examples=60, deadline=None)
def test_the_error_is_at_most_three_tolerances(
    kind: str, modulus: float, tol: float, scale: float, seed: int, damping: float
) -> None:
    W, x = tanh_problem(modulus=modulus, kind=kind, seed=seed, size=0.02)
    incoming = scale * torch.cos(torch.arange(24.0, dtype=x.dtype) * (1 + seed)).reshape(4, 6) / 24
    gradient = ImplicitGradient(tol=tol, max_iter=20000, solver=Picard(damping=damping))
    assert errors(W, x, incoming, gradient) <= 3 * tol
    assert gradient.last_report.converged.all() and (gradient.last_report.error <= tol).all()


@pytest.mark.filterwarnings("ignore::implicit_lib.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["any", "symmetric", "slow"])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
def test_in_float32_too_the_same_for_every_scale(kind: str, tol: float) -> None:
    W, x = tanh_problem(modulus=0.9, kind=kind, dtype=torch.float32, size=0.02)
    incoming = torch.cos(torch.arange(24.0)).reshape(4, 6) / 24
    found = []
    for scale in (1e-30, 1.0, 1e30):
        found.append(errors(W, x, scale * incoming, ImplicitGradient(tol=tol, max_iter=500)))
    assert max(found) <= 3 * tol
    assert max(found) - min(found) <= max(1e-6, 0.05 * tol)


def test_stopping_on_the_residual_alone_would_miss_by_far() -> None:
    """What the estimate of the error is for: 0.98^t, and 50 times that."""
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    slope = torch.tensor([0.98, 0.0], dtype=torch.float64)

    def G(y: Tensor) -> Tensor:
        return slope * y + x

    gradient = ImplicitGradient(tol=1e-2, max_iter=5000)
    y = equilibrium(gradient, G, torch.zeros(1, 2, dtype=torch.float64)).value
    (found,) = torch.autograd.grad(y, x, torch.tensor([[1e-2, 1.0]], dtype=torch.float64))
    assert abs(found.item() - 1.5) <= 3e-2 * 1.5
    first = torch.linalg.vector_norm(gradient.last_report.residuals, dim=1) <= 1e-2
    reached = int(first.to(torch.int8).argmax())
    assert 0.98 ** (reached + 1) * 0.5 > 0.2  # the error left where the residual was first below the tolerance


@given(rate=st.floats(0.01, 0.99), steps=st.integers(2, 60))
@settings(deadline=None)
def test_the_estimate_is_exact_for_one_mode(rate: float, steps: int) -> None:
    residuals = (rate ** torch.arange(steps, dtype=torch.float64)).unsqueeze(1)
    moved = residuals[:-1].sum(dim=0)
    found = _amplification(moved, residuals, torch.tensor([steps]))
    torch.testing.assert_close(found, torch.tensor([1 / (1 - rate)], dtype=torch.float64))


def test_the_estimate_sees_slow_modes_behind_fast_residuals() -> None:
    """A solver that finds the slow mode at once: its residuals fall fast, and tell nothing of how far v has moved."""
    residuals = torch.tensor([[1.0], [1e-3]], dtype=torch.float64)
    found = _amplification(torch.tensor([50.0]), residuals, torch.tensor([2]))
    assert 49 <= found.item() <= 51


def test_a_slow_mode_that_hides_in_the_incoming_gradient() -> None:
    """v moves by 0.1 for the fast modes, by 0.3 for the slow one, which has 3 % of the first residual."""
    slope = torch.full((1, 1000), 0.1, dtype=torch.float64)
    slope[0, 0] = 0.99
    incoming = torch.ones_like(slope) / math.sqrt(1000)
    incoming[0, 0] = 0.003
    x = torch.zeros(1, 1000, dtype=torch.float64, requires_grad=True)
    gradient = ImplicitGradient(tol=1e-2, max_iter=5000)
    y = equilibrium(gradient, lambda y: slope * y + x, torch.zeros_like(slope)).value
    (found,) = torch.autograd.grad(y, x, incoming)
    assert distance((found,), (incoming / (1 - slope),)) <= 3e-2


def test_there_is_no_estimate_without_a_step() -> None:
    one = torch.ones(1, dtype=torch.float64)
    assert _amplification(0 * one, one.unsqueeze(0), torch.tensor([1])).isinf()
    assert _amplification(0 * one, one.new_empty(0, 1), torch.tensor([0])).isinf()


@pytest.mark.parametrize("tol", [1e-2, 1e-12])
def test_an_operator_that_hardly_depends_on_its_state(tol: float) -> None:
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    gradient = ImplicitGradient(tol=tol)
    y = equilibrium(gradient, lambda y: 1e-5 * y + x, torch.zeros(3, dtype=torch.float64)).value
    (found,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(found, torch.full_like(x, 1 / (1 - 1e-5)), rtol=max(tol, 1e-14), atol=0)
    assert gradient.last_report.iterations.max() <= 5


def test_each_sample_stops_at_its_own_time() -> None:
    slope = torch.tensor([0.0, 0.5, 0.95], dtype=torch.float64)
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    gradient = ImplicitGradient(tol=1e-6, max_iter=1000)
    y = equilibrium(gradient, lambda y: slope * y + x, torch.zeros(3, dtype=torch.float64)).value
    incoming = torch.tensor([1.0, 1e-9, 1e9], dtype=torch.float64)
    (found,) = torch.autograd.grad(y, x, incoming)
    torch.testing.assert_close(found, incoming / (1 - slope), rtol=1e-6, atol=0)
    assert gradient.last_report.iterations.diff().min() > 10
    assert gradient.last_report.residuals.shape == (int(gradient.last_report.iterations.max()), 3)


def test_a_sample_with_no_gradient_among_others() -> None:
    W, x = tanh_problem(modulus=0.9)
    gradient = ImplicitGradient(tol=1e-8, max_iter=1000)
    y = tanh_equilibrium(gradient, W, x)
    incoming = torch.ones_like(y)
    incoming[2] = 0
    (found,) = torch.autograd.grad(y, x, incoming)
    assert not found[2].any() and gradient.last_report.converged.all()
    assert distance((found,), dense_gradient(W, x, y, incoming)[1:]) <= 3e-8


def test_a_bad_neighbour_changes_no_bit() -> None:
    W, x = tanh_problem(modulus=0.9)
    gradient = ImplicitGradient(tol=1e-6, max_iter=1000)
    y = tanh_equilibrium(gradient, W, x)
    incoming = torch.cos(torch.arange(24.0, dtype=x.dtype)).reshape(4, 6)
    (clean,) = torch.autograd.grad(y, x, incoming, retain_graph=True)
    for bad in (math.nan, math.inf, 1e300, 1e-300):
        spoilt = incoming.clone()
        spoilt[1] = bad
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            (found,) = torch.autograd.grad(y, x, spoilt, retain_graph=True)
        assert torch.equal(found[[0, 2, 3]], clean[[0, 2, 3]])
        if math.isfinite(bad):
            assert distance((found[1:2] / bad,), (dense_gradient(W, x, y, spoilt / bad)[1][1:2],)) <= 3e-6


def test_with_tolerance_zero_nobody_looks_but_the_error_is_told() -> None:
    W, x = tanh_problem(modulus=0.5)
    gradient = ImplicitGradient(tol=0, max_iter=40)
    tanh_equilibrium(gradient, W, x).sum().backward()
    assert (gradient.last_report.error < 1e-9).all() and (gradient.last_report.iterations == 40).all()
