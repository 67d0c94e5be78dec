"""Newton–Krylov: quadratic, exact on affine operators, and clear where G has no forward mode."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor

from benchmarks.zoo import Zoo
from implicit_lib import solve
from implicit_lib.cases.navier_stokes import Flow, held_out_flows
from implicit_lib.solvers import NewtonKrylov, _newton
from tests.solvers.problems import linear


@pytest.mark.parametrize("n", [1, 3, 6])
def test_one_step_solves_an_affine_problem(n: int) -> None:
    G = linear(modulus=0.99, batch=5, n=n)
    solution = solve(G, torch.zeros_like(G.b), solver=NewtonKrylov(krylov=n + 2), max_iter=1, tol=0)
    torch.testing.assert_close(solution.value, G.fixed_point, rtol=1e-9, atol=1e-9)


def test_its_steps_are_gmres_steps() -> None:
    # Against the definition: the point of the Krylov space with the smallest residual, by a dense least-squares solve.
    G = linear(modulus=0.9, batch=3, n=12)
    A = torch.eye(12, dtype=torch.float64) - G.A
    vectors = [G.b]
    for _ in range(3):
        vectors.append(torch.einsum("bij,bj->bi", A, vectors[-1]))
    K = torch.stack(vectors, 2)
    best = (K @ torch.linalg.lstsq(A @ K, G.b.unsqueeze(2)).solution).squeeze(2)
    solution = solve(G, torch.zeros_like(G.b), solver=NewtonKrylov(krylov=4), max_iter=1, tol=0)
    torch.testing.assert_close(solution.value, best, rtol=1e-9, atol=1e-9)


def test_it_converges_quadratically() -> None:
    problem = Zoo(dtype=torch.float64).near_critical(4, 12)
    solution = solve(problem.at, problem.y0, solver=NewtonKrylov(krylov=12), max_iter=30, tol=1e-14)
    assert solution.converged.all()
    for i, last in enumerate(solution.iterations.tolist()):
        before, after = solution.residuals[last - 2, i].item(), solution.residuals[last - 1, i].item()
        assert after < max(1e4 * before**2, 1e-14)


def test_it_arrives_where_whole_steps_diverge() -> None:
    # Newton's method overshoots on arctan ever further from beyond 1.39.
    def G(y: Tensor) -> Tensor:
        return y - torch.atan(y)

    y0 = torch.full((1, 1), 40.0, dtype=torch.float64)
    assert solve(lambda y: G(y) + 1, y0 - 1, solver=NewtonKrylov(krylov=1), max_iter=200, tol=1e-10).converged.all()


def test_without_its_guard_it_would_diverge() -> None:
    def trusting(guard: Any, length: Tensor) -> tuple[Tensor, Tensor, Any]:
        every = torch.ones_like(length, dtype=torch.bool)
        return every, ~every, guard._replace(extrapolated=every)

    def G(y: Tensor) -> Tensor:
        return y - torch.atan(y - 1)

    y0 = torch.full((1, 1), 40.0, dtype=torch.float64)
    guarded = solve(G, y0, solver=NewtonKrylov(krylov=1), max_iter=200, tol=1e-10)
    torch.testing.assert_close(guarded.value, torch.ones_like(y0))
    with mock.patch.object(_newton, "judge", trusting), mock.patch.object(_newton, "_FIRST_LIMIT", 1e12):
        assert solve(G, y0, solver=NewtonKrylov(krylov=1), max_iter=200, tol=1e-10).value.abs() > 1e6


@pytest.mark.parametrize("steepness", [3.0, -1.0])
def test_it_arrives_where_whole_steps_and_picard_diverge(steepness: float) -> None:
    def G(y: Tensor) -> Tensor:
        return y - steepness * torch.atan(y)

    y0 = torch.tensor([[0.5], [1.5], [3.0], [10.0], [1e3]], dtype=torch.float64)
    settings: dict[str, Any] = {"max_iter": 40, "tol": 1e-10, "relative_to": torch.ones(5, dtype=torch.float64)}
    assert not solve(G, y0, **settings).converged.any()
    assert solve(G, y0, solver=NewtonKrylov(krylov=1), **settings).converged.all()
    with mock.patch.object(_newton, "_LEAST_SHARE", 1.0):  # no step is tried again
        assert not solve(G, y0, solver=NewtonKrylov(krylov=1), **settings).converged.all()


def test_a_step_that_failed_is_tried_again_along_the_same_line() -> None:
    def G(y: Tensor) -> Tensor:
        return y + torch.atan(y)

    y0 = torch.full((1, 1), 1.5, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    found = solve(G, y0, solver=NewtonKrylov(krylov=1), max_iter=2, tol=0, relative_to=one, keep_iterates=True)
    start, whole, shorter = (y.item() for y in found.iterates)
    step = -math.atan(start) * (1 + start**2)
    assert whole == pytest.approx(start + step)
    # The parabola of slope −2 f² at the start that goes through the squared residual after the whole step.
    growth = (math.atan(whole) / math.atan(start)) ** 2
    assert shorter == pytest.approx(start + step / (growth + 1))


def test_steady_flows() -> None:
    # The Stokes iteration diverges at this viscosity.
    flow, flows = Flow(32, 0.1), held_out_flows()
    forcing, vorticity = flows.forcing[:8], flows.vorticity[:8]
    with torch.no_grad():
        plain = solve(flow.step, 0 * forcing, inputs=forcing, max_iter=40)
        found = solve(flow.step, 0 * forcing, inputs=forcing, solver=NewtonKrylov(), max_iter=40, tol=1e-10)
    assert not plain.converged.any()
    assert found.converged.sum() >= 7  # one in twenty gets stuck on the way, or takes longer
    torch.testing.assert_close(found.value[found.converged], vorticity[found.converged], rtol=0, atol=1e-6)


def test_a_step_that_promises_nothing_is_not_taken() -> None:
    problem = Zoo(dtype=torch.float64).non_normal(16, 16)
    found = solve(problem.at, problem.y0, solver=NewtonKrylov(), max_iter=70, tol=1e-6)
    assert found.converged.all()
    with mock.patch.object(_newton, "_LEAST_GAIN", 0.0):
        assert not solve(problem.at, problem.y0, solver=NewtonKrylov(), max_iter=70, tol=1e-6).converged.all()


class Twice(torch.autograd.Function):
    """An operation without a forward-mode derivative."""

    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        return 0.5 * y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 0.5 * gradient


def test_no_forward_mode_is_one_clear_error() -> None:
    with pytest.raises(NotImplementedError, match="use Anderson"):
        solve(lambda y: Twice.apply(y) + 1, torch.zeros(2, 3), solver=NewtonKrylov())


def test_errors_in_G_stay_what_they_are() -> None:
    def G(y: Tensor) -> Tensor:
        if torch._C._functorch.peek_interpreter_stack() is not None:
            raise RuntimeError("out of luck")
        return 0.5 * y + 1

    with pytest.raises(RuntimeError, match="out of luck"):
        solve(G, torch.zeros(2, 3), solver=NewtonKrylov())


@pytest.mark.parametrize("krylov", [0, -1])
def test_krylov_out_of_range(krylov: int) -> None:
    with pytest.raises(ValueError, match="krylov"):
        NewtonKrylov(krylov=krylov)


def test_krylov_of_the_wrong_type() -> None:
    with pytest.raises(TypeError, match="krylov"):
        NewtonKrylov(krylov=2.0)  # type: ignore[arg-type]
