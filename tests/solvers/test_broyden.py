"""Broyden's method: its matrix against the dense formula, and its guard."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor

from benchmarks.zoo import Zoo
from implicit_lib import solve
from implicit_lib.solvers import Broyden, Evaluation, _broyden
from tests.solvers.problems import linear


def test_its_matrix_is_broydens() -> None:
    G = linear(modulus=0.5, batch=3, n=8)
    solver, memory, y = Broyden(history=20), None, torch.zeros_like(G.b)
    eye = torch.eye(8, dtype=torch.float64)
    H, before = -eye.expand(3, 8, 8), None
    with torch.no_grad():
        for _ in range(7):
            at = Evaluation(y, G(y), G(y) - y)
            if before is not None:
                dy, df = (at.y - before.y).unsqueeze(2), (at.residual - before.residual).unsqueeze(2)
                H = H + (dy - H @ df) @ (dy.mT @ H) / (dy.mT @ H @ df)
                torch.testing.assert_close(H @ df, dy)  # the secant equation
            before = at
            y, memory = solver.step(G, at, memory)
            newton = at.y - (H @ at.residual.unsqueeze(2)).squeeze(2)
            torch.testing.assert_close(y, newton, rtol=1e-8, atol=1e-8)


def test_an_iterate_that_is_worse_is_given_up() -> None:
    problem = Zoo(dtype=torch.float64).non_normal(16, 16)
    picard = solve(problem.at, problem.y0, max_iter=300)
    broyden = solve(problem.at, problem.y0, solver=Broyden(), max_iter=300)
    assert picard.converged.all() and broyden.converged.all()

    def trusting(guard: Any, length: Tensor, *, patience: float) -> tuple[Tensor, Tensor, Any]:
        every = torch.ones_like(length, dtype=torch.bool)
        return every, ~every, guard._replace(extrapolated=every)

    with mock.patch.object(_broyden, "judge", trusting):
        assert not solve(problem.at, problem.y0, solver=Broyden(), max_iter=300).converged.all()


@pytest.mark.parametrize("history", [0, -1])
def test_history_out_of_range(history: int) -> None:
    with pytest.raises(ValueError, match="history"):
        Broyden(history=history)


def test_history_of_the_wrong_type() -> None:
    with pytest.raises(TypeError, match="history"):
        Broyden(history="5")  # type: ignore[arg-type]
