"""Gradients of gradients: right where they exist, and a loud error where they do not."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from implicit_lib import (
    ImplicitGradient,
    ImplicitModel,
    JacobianFreeGradient,
    PhantomGradient,
    Picard,
    UnrolledGradient,
    solve,
)
from implicit_lib.gradients import Gradient
from tests.gradients.problems import equilibrium, tanh_equilibrium, tanh_operator, tanh_problem

SHARP = ImplicitGradient(tol=1e-13, max_iter=2000)


@pytest.mark.parametrize("gradient", [SHARP, ImplicitGradient(tol=1e-13, max_iter=2000, solver=Picard(damping=0.7))])
def test_second_derivatives_against_finite_differences(gradient: Gradient) -> None:
    W, x = tanh_problem(modulus=0.6)
    assert torch.autograd.gradgradcheck(lambda W, x: tanh_equilibrium(gradient, W, x), (W, x), fast_mode=True)


@pytest.mark.parametrize("checkpoint", [None, 2])
def test_of_the_unrolled_gradient_too(checkpoint: int | None) -> None:
    W, x = tanh_problem(modulus=0.5)
    gradient = UnrolledGradient(checkpoint=checkpoint)
    assert torch.autograd.gradgradcheck(
        lambda W, x: tanh_equilibrium(gradient, W, x, max_iter=3, tol=0), (W, x), fast_mode=True
    )


def test_derivatives_of_any_order_in_closed_form() -> None:
    """y = a y + x: y = x / (1 − a), whose k-th derivative by a is k! x / (1 − a)^{k+1}."""
    a = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([3.0], dtype=torch.float64)
    derivative = equilibrium(SHARP, lambda y: a * y + x, torch.zeros_like(x)).value
    factorial = 1
    for k in range(1, 5):
        (derivative,) = torch.autograd.grad(derivative.sum(), a, create_graph=True)
        factorial *= k
        expected = factorial * 3.0 / 0.6 ** (k + 1)
        assert derivative.item() == pytest.approx(expected, rel=1e-9)


def hessian(gradient: Gradient) -> Tensor:
    """Of a loss whose encoder shares its weights with the operator, and is the input of two equilibria."""
    W, x = tanh_problem(modulus=0.5)

    def loss(W: Tensor) -> Tensor:
        q = x @ W + x
        first = tanh_equilibrium(gradient, W, q, max_iter=200)
        second = tanh_equilibrium(gradient, W, q * first, max_iter=200)
        return (first * second + q * second).square().sum()

    found = torch.autograd.functional.hessian(loss, W.detach())
    return found


def test_sources_that_depend_on_each_other_are_counted_once() -> None:
    torch.testing.assert_close(hessian(SHARP), hessian(UnrolledGradient()), rtol=1e-8, atol=1e-9)


def test_by_a_result_that_is_used_elsewhere_too() -> None:
    """The input q, no leaf of the graph, as in a gradient penalty."""
    W, x = tanh_problem(modulus=0.6)

    def penalty(gradient: Gradient) -> Tensor:
        q = torch.sin(x)
        y = tanh_equilibrium(gradient, W, q, max_iter=300)
        (by_q,) = torch.autograd.grad((y * q).sum(), q, create_graph=True)
        return torch.autograd.grad(by_q.square().sum(), W)[0]

    torch.testing.assert_close(penalty(SHARP), penalty(UnrolledGradient()), rtol=1e-9, atol=1e-11)


def test_of_a_model_with_nested_states_and_several_inputs() -> None:
    torch.manual_seed(0)
    mix = nn.Linear(3, 3).double()

    def operator(y: dict[str, Tensor], q: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"u": 0.5 * torch.tanh(mix(y["w"])) + q[0], "w": 0.3 * torch.sin(y["u"] * q[1])}

    def model(gradient: Gradient) -> ImplicitModel:
        return ImplicitModel(
            operator,
            encoder=lambda x: (x, x.square()),
            decoder=lambda y: y["u"] * y["w"],
            start=lambda q: {"u": torch.zeros_like(q[0]), "w": torch.zeros_like(q[0])},
            gradient=gradient,
            tol=1e-13,
        )

    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(model(SHARP), (x,), fast_mode=True)
    penalties = []
    for gradient in (SHARP, UnrolledGradient()):
        (by_x,) = torch.autograd.grad(model(gradient)(x).sum(), x, create_graph=True)
        penalties.append(torch.autograd.grad(by_x.square().sum(), mix.weight)[0])
    torch.testing.assert_close(*penalties, rtol=1e-9, atol=1e-11)


def test_creating_a_graph_changes_no_first_derivative() -> None:
    W, x = tanh_problem(modulus=0.9)
    for gradient in (ImplicitGradient(), JacobianFreeGradient(), PhantomGradient(), UnrolledGradient()):
        y = tanh_equilibrium(gradient, W, x)
        plain = torch.autograd.grad(y.sum(), (W, x), retain_graph=True)
        graphed = torch.autograd.grad(y.sum(), (W, x), create_graph=True)
        for a, b in zip(plain, graphed, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


@pytest.mark.parametrize("gradient", [JacobianFreeGradient(), PhantomGradient(steps=3)])
@pytest.mark.parametrize("loss", [Tensor.sum, lambda y: y.square().sum()])
def test_what_is_no_gradient_has_no_second_derivative(gradient: Gradient, loss: Callable[[Tensor], Tensor]) -> None:
    W, x = tanh_problem(modulus=0.5)
    first = torch.autograd.grad(loss(tanh_equilibrium(gradient, W, x)), (W, x), create_graph=True)
    for each in first:
        for by in (W, x):
            with pytest.raises(RuntimeError, match=r"differentiated once: for second derivatives use ImplicitGradient"):
                torch.autograd.grad(each.square().sum(), by, retain_graph=True)
        with pytest.raises(RuntimeError, match="differentiated once"):
            each.square().sum().backward(retain_graph=True)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, W: Tensor) -> Tensor:
        return 2 * W

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return 2 * gradient


def test_parameters_out_of_sight_raise_for_second_derivatives_only() -> None:
    W, x = tanh_problem(modulus=0.4)
    y = equilibrium(SHARP, lambda y: torch.tanh(y @ Doubled.apply(W).T + x), torch.zeros_like(x)).value
    expected = torch.autograd.grad(tanh_equilibrium(SHARP, 2 * W, x).sum(), W)[0]
    torch.testing.assert_close(torch.autograd.grad(y.sum(), W, retain_graph=True)[0], expected)
    with pytest.raises(RuntimeError, match="second derivative is out of reach.*UnrolledGradient"):
        torch.autograd.grad(y.sum(), W, create_graph=True)


def test_the_adjoint_of_the_adjoint_warns_too() -> None:
    W, x = tanh_problem(modulus=0.95, kind="slow", size=0.02)
    gradient = ImplicitGradient(tol=1e-9, max_iter=20)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (first,) = torch.autograd.grad(tanh_equilibrium(gradient, W, x).sum(), W, create_graph=True)
        after_first = len(caught)
        first.square().sum().backward()
    assert after_first == 1 and len(caught) > 1


def test_a_dropped_adjoint_of_the_adjoint_would_be_seen() -> None:
    """The mutation: the second derivative with v held constant is far from right."""
    a = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([3.0], dtype=torch.float64)
    with torch.no_grad():
        y = solve(lambda y: a * y + x, torch.zeros_like(x), tol=1e-13).value
    v = 1 / (1 - a.detach())
    (truncated,) = torch.autograd.grad(v * tanh_operator(a.reshape(1, 1), x)(y.unsqueeze(1)).sum(), a)
    (found,) = torch.autograd.grad(
        equilibrium(SHARP, lambda y: a * y + x, torch.zeros_like(x)).value.sum(), a, create_graph=True
    )
    (second,) = torch.autograd.grad(found, a)
    assert abs(float(second) - 2 * 3.0 / 0.6**3) < 1e-6 and abs(float(truncated) - float(second)) > 1
