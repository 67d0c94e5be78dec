"""An equilibrium to differentiate through, made by every library that runs in PyTorch.

All are functions of (operator, x, y0, calls): `operator(y, x)` is called `calls` times from y0, and the backward pass
makes at most as many iterations, to the tolerance b_tol; with 0 exactly as many. `solver` walks forward, `adjoint`
backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torchdeq import get_deq

from benchmarks import ours
from benchmarks.others_torch import deepinv
from implicit_lib import ImplicitModel
from implicit_lib.gradients import ImplicitGradient
from implicit_lib.solvers import Solver

Operator = Callable[[Tensor, Tensor], Tensor]


def with_ours(
    operator: Operator,
    x: Tensor,
    y0: Tensor,
    calls: int,
    *,
    b_tol: float = 0.0,
    solver: Solver = ours.PICARD,
    adjoint: Solver = ours.PICARD,
) -> Tensor:
    gradient = ImplicitGradient(tol=b_tol, max_iter=calls, solver=adjoint)
    model = ImplicitModel(operator, start=lambda q: y0, solver=solver, gradient=gradient, max_iter=calls, tol=0)
    return model(x)


def with_torchdeq(
    operator: Operator,
    x: Tensor,
    y0: Tensor,
    calls: int,
    *,
    b_tol: float = 0.0,
    stop_mode: str = "abs",
    solver: str = "fixed_point_iter",
    adjoint: str = "fixed_point_iter",
) -> Tensor:
    """`stop_mode` is that of the backward pass; "abs" is the default."""
    deq = get_deq(
        f_solver=solver,
        b_solver=adjoint,
        f_max_iter=calls,
        b_max_iter=calls,
        f_tol=0.0,
        b_tol=b_tol,
        b_stop_mode=stop_mode,
        ift=True,
    )
    return deq(lambda y: operator(y, x), y0)[0][-1]


def with_deepinv(operator: Operator, x: Tensor, y0: Tensor, calls: int, *, b_tol: float = 0.0) -> Tensor:
    """deepinv has one tolerance for both passes, `thres_conv`, on the mean over the batch of the relative step."""

    class Iterator(deepinv.optim.OptimIterator):
        def forward(self, X: dict[str, Any], *others: Any) -> dict[str, Any]:
            return {"est": (operator(X["est"][0], x),), "cost": None}

    model = deepinv.optim.BaseOptim(
        Iterator(has_cost=False),
        trainable_params=[],
        data_fidelity=deepinv.optim.L2(),
        max_iter=calls,
        thres_conv=b_tol,
        DEQ=deepinv.optim.DEQConfig(max_iter_backward=calls),
    )
    return model(x, None, init=(y0,))
