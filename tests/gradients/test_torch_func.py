"""Gradients under torch.func: the numbers of autograd, or an error that says what to do."""

import pytest
import torch
from torch import Tensor

from implicit_lib import ImplicitGradient, JacobianFreeGradient, PhantomGradient, UnrolledGradient
from implicit_lib.gradients import Gradient
from tests.gradients.problems import tanh_equilibrium, tanh_problem

SHARP = ImplicitGradient(tol=1e-12, max_iter=1000)
ALL = [SHARP, JacobianFreeGradient(), PhantomGradient(), UnrolledGradient()]


def loss_of(gradient: Gradient, x: Tensor, W: Tensor) -> Tensor:
    return tanh_equilibrium(gradient, W, x, max_iter=200).square().sum()


@pytest.mark.parametrize("gradient", ALL)
def test_grad_and_vjp(gradient: Gradient) -> None:
    W, x = tanh_problem(modulus=0.7)
    expected = torch.autograd.grad(loss_of(gradient, x.detach(), W), W)[0]

    def loss(W: Tensor) -> Tensor:
        return loss_of(gradient, x.detach(), W)

    torch.testing.assert_close(torch.func.grad(loss)(W.detach()), expected, rtol=1e-12, atol=0)
    value, pull = torch.func.vjp(loss, W.detach())
    torch.testing.assert_close(pull(torch.ones_like(value))[0], expected, rtol=1e-12, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(pull(torch.ones_like(value))[0], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("gradient", [SHARP, UnrolledGradient()])
def test_a_gradient_of_a_gradient(gradient: Gradient) -> None:
    W, x = tanh_problem(modulus=0.6)

    def penalty(W: Tensor) -> Tensor:
        return torch.func.grad(lambda W: loss_of(gradient, x.detach(), W))(W).square().sum()

    found = torch.func.grad(penalty)(W.detach())
    (first,) = torch.autograd.grad(loss_of(UnrolledGradient(), x.detach(), W), W, create_graph=True)
    torch.testing.assert_close(found, torch.autograd.grad(first.square().sum(), W)[0], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("gradient", [JacobianFreeGradient(), PhantomGradient()])
def test_what_is_no_gradient_raises_there_too(gradient: Gradient) -> None:
    W, x = tanh_problem(modulus=0.6)
    inner = torch.func.grad(lambda W: loss_of(gradient, x.detach(), W))
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.func.grad(lambda W: inner(W).sum())(W.detach())


def test_jacobians_row_by_row() -> None:
    W, x = tanh_problem(modulus=0.6)

    def value(x: Tensor) -> Tensor:
        return tanh_equilibrium(SHARP, W.detach(), x)

    expected = torch.autograd.functional.jacobian(value, x)
    found = torch.func.jacrev(value, chunk_size=1)(x.detach())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    for vectorised in (
        lambda: torch.func.jacrev(value)(x.detach()),
        lambda: torch.autograd.functional.jacobian(value, x, vectorize=True),
    ):
        with pytest.raises(RuntimeError, match=r"one by one, by torch.func.jacrev\(…, chunk_size=1\)"):
            vectorised()
