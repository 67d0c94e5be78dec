"""Gradients through an equilibrium against dense linear algebra, finite differences and each other."""

import gc
import math
import warnings
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from implicit_lib import (
    ConvergenceWarning,
    ImplicitGradient,
    JacobianFreeGradient,
    PhantomGradient,
    Picard,
    Status,
    UnrolledGradient,
    solve,
)
from implicit_lib.gradients import Gradient
from tests.gradients.problems import dense_gradient, equilibrium, tanh_equilibrium, tanh_operator, tanh_problem

pytestmark = pytest.mark.filterwarnings("error::implicit_lib.ConvergenceWarning")


ALL = [
    ImplicitGradient(),
    JacobianFreeGradient(),
    PhantomGradient(steps=3),
    UnrolledGradient(),
    UnrolledGradient(checkpoint=7),
]
PHANTOM = 0.5 * (1 + 0.5 + (0.5**2 + 0.25**2))  # λ (1 + M + M²)[u, u] with M = (I + J) / 2


@given(modulus=st.floats(0.1, 0.97), seed=st.integers(0, 1000), damping=st.sampled_from([1.0, 0.6]))
@settings(max_examples=20, deadline=None)
def test_the_implicit_gradient_is_that_of_dense_linear_algebra(modulus: float, seed: int, damping: float) -> None:
    W, x = tanh_problem(modulus=modulus, seed=seed)
    gradient = ImplicitGradient(tol=1e-11, max_iter=3000, solver=Picard(damping=damping))
    y = tanh_equilibrium(gradient, W, x)
    incoming = torch.cos(3 * y.detach())
    found = torch.autograd.grad(y, (W, x), incoming)
    for each, expected in zip(found, dense_gradient(W, x, y, incoming), strict=True):
        assert torch.linalg.vector_norm(each - expected) <= 1e-9 * torch.linalg.vector_norm(expected)


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_tolerance_is_relative_to_the_incoming_gradient(tol: float, scale: float, dtype: torch.dtype) -> None:
    W, x = tanh_problem(modulus=0.9, dtype=dtype)
    y = tanh_equilibrium(ImplicitGradient(tol=tol), W, x, tol=1e-6)
    incoming = scale * torch.cos(3 * y.detach())
    _, found = torch.autograd.grad(y, (W, x), incoming)
    _, expected = dense_gradient(W, x, y, incoming)
    assert torch.linalg.vector_norm(found - expected) <= 3 * tol * torch.linalg.vector_norm(expected)


def test_the_tolerance_holds_close_to_criticality() -> None:
    """For G = 0.99 y + x the error of the adjoint is 100 times its residual, 0.99^t of the incoming gradient."""
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    gradient = ImplicitGradient(tol=1e-3, max_iter=2000)
    y = equilibrium(gradient, lambda y: 0.99 * y + x, torch.zeros_like(x), max_iter=5000).value
    (slope,) = torch.autograd.grad(y, x)
    assert float(slope) == pytest.approx(100, rel=1e-3)
    needed = math.log(1e-3) / math.log(0.99)
    assert needed <= int(gradient.last_report.iterations) <= needed + math.log(0.25) / math.log(0.99) + 2


def test_the_scale_of_the_loss_changes_no_iteration() -> None:
    counts = set()
    for scale in (1e-30, 1e-9, 1.0, 1e9, 1e30):
        W, x = tanh_problem(modulus=0.9)
        gradient = ImplicitGradient(tol=1e-6)
        tanh_equilibrium(gradient, W, x).backward(torch.full_like(x, scale))
        counts.add(tuple(gradient.last_report.iterations.tolist()))
    assert len(counts) == 1


def test_a_half_precision_loss_does_not_vanish_in_the_adjoint() -> None:
    G_slope = torch.full((2, 3), 0.5, dtype=torch.float16)
    x = torch.ones(2, 3, dtype=torch.float16, requires_grad=True)
    gradient = ImplicitGradient(tol=1e-2)
    y = equilibrium(gradient, lambda y: G_slope * y + x, torch.zeros_like(x), tol=1e-2).value
    y.backward(torch.full_like(x, 6e-6))  # a hundred times float16's smallest number
    torch.testing.assert_close(x.grad, torch.full_like(x, 1.2e-5), rtol=2e-2, atol=0)


def test_the_implicit_gradient_against_finite_differences() -> None:
    W, x = tanh_problem(modulus=0.7)
    gradient = ImplicitGradient(tol=1e-12, max_iter=500)
    assert torch.autograd.gradcheck(lambda W, x: tanh_equilibrium(gradient, W, x), (W, x), fast_mode=True)


def test_unrolling_far_enough_gives_the_implicit_gradient() -> None:
    W, x = tanh_problem(modulus=0.7)
    incoming = torch.ones_like(x)
    unrolled = torch.autograd.grad(tanh_equilibrium(UnrolledGradient(), W, x), (W, x), incoming)
    implicit = torch.autograd.grad(tanh_equilibrium(ImplicitGradient(tol=1e-13), W, x), (W, x), incoming)
    for a, b in zip(unrolled, implicit, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_the_unrolled_gradient_is_that_of_the_iterate(iterations: int) -> None:
    W, x = tanh_problem(modulus=1.4)
    assert torch.autograd.gradcheck(
        lambda W, x: tanh_equilibrium(UnrolledGradient(), W, x, max_iter=iterations, tol=0), (W, x), fast_mode=True
    )


def test_the_jacobian_free_gradient_is_that_of_one_application() -> None:
    W, x = tanh_problem(modulus=0.9)
    y = tanh_equilibrium(JacobianFreeGradient(), W, x)
    incoming = torch.cos(3 * y.detach())
    found = torch.autograd.grad(y, (W, x), incoming)
    expected = torch.autograd.grad(tanh_operator(W, x)(y.detach()), (W, x), incoming)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    exact = dense_gradient(W, x, y, incoming)
    assert all((a * b).sum() > 0 and not torch.allclose(a, b, rtol=1e-2) for a, b in zip(found, exact, strict=True))


def test_an_adjoint_of_no_iterations_is_jacobian_free() -> None:
    W, x = tanh_problem(modulus=0.9)
    results = [
        torch.autograd.grad(tanh_equilibrium(gradient, W, x), x, torch.ones_like(x))[0]
        for gradient in (JacobianFreeGradient(), ImplicitGradient(max_iter=0, tol=0))
    ]
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("gradient", ALL)
def test_the_value_is_that_of_the_solve(gradient: Gradient) -> None:
    W, x = tanh_problem(modulus=0.9)
    G = tanh_operator(W, x)
    for options in ({"tol": 1e-3}, {"tol": 0, "max_iter": 3}):
        with torch.no_grad():
            expected = solve(G, torch.zeros_like(x), **options)
            disabled = equilibrium(gradient, G, torch.zeros_like(x), **options)
        enabled = equilibrium(gradient, G, torch.zeros_like(x), **options)
        assert torch.equal(enabled.value, expected.value) and enabled.value.requires_grad
        assert torch.equal(disabled.value, expected.value) and not disabled.value.requires_grad
        assert enabled.status == expected.status and torch.equal(enabled.residuals, expected.residuals)


@pytest.mark.parametrize("gradient", ALL)
def test_states_may_be_nested_and_partly_constant(gradient: Gradient) -> None:
    """y = (u, w, c) with u = w/2 + x, w = u/2: u = 4x/3, w = 2x/3; c has no gradient at all."""
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)

    def G(y: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"u": 0.5 * y["w"] + x, "w": 0.5 * y["u"], "c": torch.ones_like(x)}

    value = equilibrium(gradient, G, {name: torch.zeros(2, dtype=torch.float64) for name in "uwc"}).value
    torch.testing.assert_close(value["w"].detach(), 2 * x.detach() / 3)
    (slope,) = torch.autograd.grad(value["u"].sum(), x)
    # J maps (u, w) to (w, u) / 2; of its powers the even ones lead from u to u.
    expected = {JacobianFreeGradient: 1.0, PhantomGradient: PHANTOM}.get(type(gradient), 4 / 3)
    torch.testing.assert_close(slope, torch.full_like(x, expected), rtol=1e-3, atol=0)


@pytest.mark.parametrize("gradient", ALL)
def test_an_operator_without_parameters_has_no_gradient(gradient: Gradient) -> None:
    ones = torch.ones(2)
    for G in (lambda y: ones, lambda y: 0.5 * y + ones, lambda y: y):
        assert not equilibrium(gradient, G, torch.zeros(2)).value.requires_grad


@pytest.mark.parametrize("gradient", ALL)
def test_an_operator_that_returns_its_parameter(gradient: Gradient) -> None:
    x = torch.ones(2, requires_grad=True)
    value = equilibrium(gradient, lambda y: x, torch.zeros(2)).value
    expected = 1 - 0.5**3 if isinstance(gradient, PhantomGradient) else 1.0
    assert torch.equal(torch.autograd.grad(value.sum(), x)[0], torch.full((2,), expected))


@pytest.mark.parametrize("gradient", [ImplicitGradient(), JacobianFreeGradient()])
def test_an_operator_that_ignores_its_state(gradient: Gradient) -> None:
    x = torch.ones(2, requires_grad=True)
    value = equilibrium(gradient, lambda y: 3 * x, torch.zeros(2)).value
    assert torch.equal(torch.autograd.grad(value.sum(), x)[0], torch.full((2,), 3.0))


def test_two_equilibria_in_one_graph_and_a_second_backward_pass() -> None:
    W, x = tanh_problem(modulus=0.8)
    gradient = ImplicitGradient(tol=1e-12)
    inner = tanh_equilibrium(gradient, W, x)
    outer = tanh_equilibrium(gradient, W, inner)
    unrolled = tanh_equilibrium(UnrolledGradient(), W, tanh_equilibrium(UnrolledGradient(), W, x))
    expected = torch.autograd.grad(unrolled.sum(), (W, x))
    for _ in range(2):
        found = torch.autograd.grad(outer.sum(), (W, x), retain_graph=True)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def test_an_adjoint_that_does_not_converge_is_reported() -> None:
    W, x = tanh_problem(modulus=0.95)
    gradient = ImplicitGradient(tol=1e-8, max_iter=5)
    y = tanh_equilibrium(gradient, W, x)
    with pytest.warns(ConvergenceWarning, match="gradient is inexact: 4 of 4 samples MAX_ITER"):
        y.sum().backward()
    assert gradient.last_report.status == (Status.MAX_ITER,) * 4
    assert gradient.last_report.residuals.shape == (5, 4) and (gradient.last_report.residuals[-1] > 1e-8).all()


def test_an_expanding_operator_has_a_diverging_adjoint() -> None:
    """At a fixed point that iteration cannot reach, found otherwise: y = 3y + x at y = −x/2."""
    x = torch.tensor([1.0], requires_grad=True)
    gradient = ImplicitGradient()
    y = equilibrium(gradient, lambda y: 3 * y + x, torch.tensor([-0.5])).value
    with pytest.warns(ConvergenceWarning, match="DIVERGED"):
        y.sum().backward()
    assert gradient.last_report.status == (Status.DIVERGED,)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_incoming_gradient_stays_in_its_sample(bad: float) -> None:
    W, x = tanh_problem(modulus=0.8)
    gradient = ImplicitGradient(tol=1e-10)
    y = tanh_equilibrium(gradient, W, x)
    (clean,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
    incoming = torch.ones_like(y)
    incoming[1, 2] = bad
    with pytest.warns(ConvergenceWarning, match="1 of 4 samples NONFINITE"):
        (found,) = torch.autograd.grad(y, x, incoming)
    assert torch.equal(found[[0, 2, 3]], clean[[0, 2, 3]]) and not found[1].isfinite().all()


def test_a_bad_input_spoils_only_its_own_gradient() -> None:
    W, x = tanh_problem(modulus=0.8)
    gradient = ImplicitGradient(tol=1e-10)
    (clean,) = torch.autograd.grad(tanh_equilibrium(gradient, W, x).sum(), x)
    bad = x.detach().clone()
    bad[1] = math.nan
    bad.requires_grad_()
    with pytest.warns(ConvergenceWarning, match="1 of 4 samples NONFINITE"):
        (found,) = torch.autograd.grad(tanh_equilibrium(gradient, W, bad).sum(), bad)
    assert torch.equal(found[[0, 2, 3]], clean[[0, 2, 3]]) and found[1].isnan().all()


def test_a_zero_incoming_gradient_converges_to_zero() -> None:
    W, x = tanh_problem(modulus=0.8)
    gradient = ImplicitGradient()
    found = torch.autograd.grad(tanh_equilibrium(gradient, W, x), (W, x), torch.zeros_like(x))
    assert all(not each.any() for each in found) and gradient.last_report.converged.all()


def test_an_empty_batch() -> None:
    W, _ = tanh_problem(modulus=0.8)
    value = tanh_equilibrium(ImplicitGradient(), W, torch.zeros(0, 6, dtype=torch.float64))
    assert not torch.autograd.grad(value.sum(), W)[0].any()


def saved_bytes(gradient: Gradient, iterations: int) -> int:
    """The bytes of all distinct storages that the graph keeps from the forward to the backward pass."""
    W, x = tanh_problem(modulus=0.9)
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        value = tanh_equilibrium(gradient, W, x, max_iter=iterations, tol=0)
        saved = sum(kept.values())
    assert value.requires_grad
    return saved


def test_memory_is_constant_in_depth_unless_unrolled() -> None:
    for gradient in (ImplicitGradient(), JacobianFreeGradient()):
        assert saved_bytes(gradient, 1) == saved_bytes(gradient, 10) == saved_bytes(gradient, 200)
    assert saved_bytes(UnrolledGradient(), 200) > 15 * saved_bytes(UnrolledGradient(), 10)


@pytest.mark.parametrize("gradient", ALL)
def test_a_training_step_leaves_no_cycle_behind(gradient: Gradient) -> None:
    gc.collect()
    gc.disable()
    try:
        W, x = tanh_problem(modulus=0.5)
        solution = equilibrium(gradient, tanh_operator(W, x), torch.zeros_like(x))
        value = weakref.ref(solution.value)
        solution.value.sum().backward()
        del solution
        assert value() is None
    finally:
        gc.enable()


def test_a_tolerance_of_zero_runs_exactly_max_iter_adjoint_iterations_in_silence() -> None:
    W, x = tanh_problem(modulus=0.9)
    gradient = ImplicitGradient(tol=0, max_iter=7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tanh_equilibrium(gradient, W, x).sum().backward()
    assert len(gradient.last_report.residuals) == 7


@pytest.mark.parametrize(
    ("options", "error"),
    [({"tol": -1.0}, ValueError), ({"max_iter": -1}, ValueError), ({"max_iter": 1.5}, TypeError),
     ({"solver": "picard"}, TypeError), ({"tolerance": 1e-3}, TypeError)],
)  # fmt: skip
def test_settings_out_of_range(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        ImplicitGradient(**options)


def test_settings_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        ImplicitGradient(1e-4)
