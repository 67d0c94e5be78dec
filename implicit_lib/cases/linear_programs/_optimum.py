"""The truth: optimal solutions by HiGHS, and where several are optimal the one of least norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._program import Array, LinearProgram, LinearProgramError

_ZERO = 1e-9
"""Dual variables below it, relative to the largest cost, are zero: HiGHS ends at a vertex, where they are exact."""


_SLACK = 1e-9
"""How far constraints may be violated on the way to the solution of least norm, relative to their right-hand sides."""


def optimum(programs: LinearProgram) -> Tensor:
    """The optimal solutions (B, n), float64; of several optimal ones the one of least norm, as the paper has it.

    About a millisecond a program of the paper's size.

    Raises:
        LinearProgramError: a program is infeasible or unbounded; the message says which.
    """
    solutions = []
    for number, parts in enumerate(_arrays(programs)):
        found = solve_one(*parts)
        if isinstance(found, str):
            which = f"program {number} of {len(programs.c)}" if len(programs.c) > 1 else "the linear program"
            raise LinearProgramError(f"{which} {found}")
        solutions.append(found)
    return torch.from_numpy(np.array(solutions).reshape(programs.c.shape))


def _arrays(programs: LinearProgram) -> list[tuple[Array, ...]]:
    return list(zip(*(field.detach().cpu().double().numpy() for field in programs), strict=True))


_REASONS = {
    2: "is infeasible: no y satisfies A, b and the bounds together; relax b or the bounds",
    3: "is unbounded: c can be lowered without end; give finite bounds to the variables, or check the sign of c",
}


def solve_one(A: Array, b: Array, equality: Array, c: Array, lower: Array, upper: Array) -> Array | str:
    """The optimal solution (n,) of least norm of one program, or what is wrong with it."""
    from scipy.optimize import linprog

    same = equality > 0.5
    scale = np.abs(c).max() or 1.0  # tolerances of HiGHS are absolute: costs of size 1 suit them
    bounds = np.stack([lower, upper], axis=1)
    found = linprog(c / scale, A[~same], b[~same], A[same], b[same], bounds, method="highs-ds")
    if found.status == 4:  # presolve alone cannot tell infeasible from unbounded
        found = linprog(c / scale, A[~same], b[~same], A[same], b[same], bounds, options={"presolve": False})
    if found.status != 0:
        return _REASONS.get(found.status, f"was not solved: {found.message}")
    return _least_norm(A, b, same, lower, upper, found)


def _least_norm(A: Array, b: Array, same: NDArray[np.bool_], lower: Array, upper: Array, found: Any) -> Array:
    """The point of least norm on the optimal face, given a vertex of it and a dual solution.

    A feasible y is optimal exactly where it is complementary to one (any) optimal dual solution: where a reduced cost
    is not 0 the variable stays at its bound, where a row's price is not 0 the row is tight. The rest of y is free.
    """
    vertex: Array = found.x
    reduced = found.lower.marginals + found.upper.marginals
    tight = same.copy()
    tight[~same] = np.abs(found.ineqlin.marginals) > _ZERO
    free = np.abs(reduced) <= _ZERO
    E = A[np.ix_(tight, free)]
    if not free.any() or np.linalg.matrix_rank(E) == free.sum():
        return vertex
    loose = A[~tight]
    limits = [
        (loose[:, free], (b[~tight] - loose[:, ~free] @ vertex[~free])),
        (np.eye(int(free.sum())), upper[free]),
        (-np.eye(int(free.sum())), -lower[free]),
    ]
    G, g = np.vstack([rows for rows, _ in limits]), np.concatenate([limit for _, limit in limits])
    bounded = np.isfinite(g)
    answer = vertex.copy()
    answer[free] = _nearest_to_zero(E, b[tight] - A[np.ix_(tight, ~free)] @ vertex[~free], G[bounded], g[bounded])
    return answer


def _nearest_to_zero(E: Array, e: Array, G: Array, g: Array) -> Array:
    """argmin ‖x‖ subject to E x = e and G x ≤ g, which is not empty.

    Least distance programming by nonnegative least squares, after x = x_0 + Z z, where Z spans the null space of E.

    Source: Lawson and Hanson, Solving Least Squares Problems, 1974, Chapter 23.
    """
    from scipy.linalg import null_space
    from scipy.optimize import nnls

    Z = null_space(E) if len(E) else np.eye(E.shape[1])
    origin: Array = np.zeros(E.shape[1]) if not len(E) else np.linalg.lstsq(E, e, rcond=None)[0].astype(np.float64)
    # H z ≥ h, less what rounding may ask too much: where a face is thin, it would be empty
    H, h = -G @ Z, G @ origin - g - _SLACK * (1 + np.abs(g))
    if (h <= 0).all():
        return origin
    target = np.zeros(Z.shape[1] + 1)
    target[-1] = 1
    stacked = np.vstack([H.T, h])
    weights, _ = nnls(stacked, target, maxiter=100 * stacked.shape[1])
    residual = stacked @ weights - target
    nearest: Array = origin + Z @ (-residual[:-1] / residual[-1])
    return nearest
