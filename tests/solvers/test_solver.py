"""A solver with a memory of its own, written against the protocol alone, gets all that the loop promises."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from implicit_lib import Evaluation, ImplicitGradient, ImplicitModel, Solver, solve
from tests.solvers.problems import linear


@dataclass(frozen=True, kw_only=True)
class HeavyBall:
    """y_{t+1} = G(y_t) + β (y_t − y_{t−1}): the memory is the iterate before."""

    momentum: float = 0.3
    patience: int = 3

    def init(self, y: Tensor) -> Tensor:
        return y

    def step(self, G: object, at: Evaluation, memory: Tensor) -> tuple[Tensor, Tensor]:
        return at.image + self.momentum * (at.y - memory), at.y


SOLVER: Solver = HeavyBall()


@pytest.mark.parametrize("tol", [0.0, 1e-10])
def test_extending_is_the_same_as_not_stopping(tol: float) -> None:
    G = linear(modulus=0.9)
    start = torch.zeros_like(G.b)
    whole = solve(G, start, solver=SOLVER, max_iter=40, tol=tol)
    part = solve(G, start, solver=SOLVER, max_iter=15, tol=tol)
    for _ in range(2):  # from the same memory twice
        assert torch.equal(part.extend(25).residuals, whole.residuals)
        assert torch.equal(part.extend(25).value, whole.value)


def test_its_residuals_are_those_of_its_iterates() -> None:
    G = linear(modulus=0.9)
    solution = solve(G, torch.zeros_like(G.b), solver=SOLVER, max_iter=400, tol=1e-11, keep_iterates=True)
    assert solution.converged.all()
    for row, y in zip(solution.residuals, solution.iterates, strict=False):
        expected = torch.linalg.vector_norm(G(y) - y, dim=1) / torch.linalg.vector_norm(G(y), dim=1)
        torch.testing.assert_close(row, expected)
    torch.testing.assert_close(solution.value, G.fixed_point, rtol=1e-8, atol=1e-9)


def test_models_and_adjoints_take_it() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    gradient = ImplicitGradient(solver=SOLVER, tol=1e-10)
    model = ImplicitModel(lambda y, q: -0.5 * y + q, solver=SOLVER, gradient=gradient, tol=1e-10)
    model(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, 2 / 3))
    assert gradient.last_report.converged.all()


def test_no_step_is_taken_when_all_samples_have_finished() -> None:
    @dataclass(frozen=True)
    class Unwilling(HeavyBall):
        def step(self, *arguments: object) -> tuple[Tensor, Tensor]:
            raise AssertionError("a step was taken")

    assert solve(lambda y: y.clone(), torch.ones(2), solver=Unwilling()).converged.all()
