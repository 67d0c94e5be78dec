"""Our solvers, as functions of (G, y0, calls) like the peers'."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from implicit_lib.solvers import Anderson, Broyden, Picard, Solver, solve

Operator = Callable[[Tensor], Tensor]
PICARD, ANDERSON, BROYDEN = Picard(), Anderson(history=5), Broyden()
UNREACHABLE = 1e-30  # a tolerance: every sample is judged, and none ever passes


def picard(G: Operator, y0: Tensor, calls: int, *, tol: float = 0.0) -> Tensor:
    return walk(PICARD, G, y0, calls, tol)


def anderson(G: Operator, y0: Tensor, calls: int, *, tol: float = 0.0) -> Tensor:
    return walk(ANDERSON, G, y0, calls, tol)


@torch.no_grad()
def walk(solver: Solver, G: Operator, y0: Tensor, calls: int, tol: float) -> Tensor:
    return solve(G, y0, solver=solver, max_iter=calls, tol=tol).value
