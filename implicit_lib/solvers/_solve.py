"""The solve loop: the only one, whatever the solver."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec

from implicit_lib.solvers._checks import check_count, check_settings
from implicit_lib.solvers._picard import Picard
from implicit_lib.solvers._solution import Solution, SolveInterrupted, Status
from implicit_lib.solvers._solver import Solver
from implicit_lib.solvers._state import Leaves, Operator, differences, flatten_state, norms, select, unflatten_state

Y = TypeVar("Y")

# A contraction's step ‖G(y) − y‖ never grows, and a map that contracts in another norm lets it grow by at most that
# norm's condition number. A step this many times as large as the start and the first step together is divergence.
DIVERGENCE_GROWTH = 1e6

_DEFAULT_SOLVER = Picard()


def solve(
    G: Callable[[Y], Y],
    y0: Y,
    *,
    solver: Solver = _DEFAULT_SOLVER,
    max_iter: int = 100,
    tol: float = 1e-6,
    relative_to: Tensor | None = None,
    keep_iterates: bool = False,
) -> Solution[Y]:
    """Walk from y0 towards a fixed point y = G(y), every sample of the batch for itself.

    Iteration t calls G once, at y_{t−1}, and measures the relative residual ‖G(y_{t−1}) − y_{t−1}‖ / ‖G(y_{t−1})‖ of
    each sample (Euclidean norm over all its entries, in float64). A sample whose residual is at most tol is CONVERGED
    and keeps y_{t−1}, the very iterate that was measured. It is NONFINITE when y or G(y) is not finite, DIVERGED when
    ‖G(y_{t−1}) − y_{t−1}‖ exceeds 10⁶ (‖y_0‖ + ‖G(y_0) − y_0‖); then too it keeps y_{t−1}, the last good iterate. The
    loop ends when all samples have finished or max_iter iterations have passed. No sample influences another, as long
    as G itself treats them independently.

    With tol=0 nothing stops early: exactly max_iter iterations of every sample, plain y_T = the solver's T-th iterate
    whatever it is, and no synchronisation of host and device. The status still tells DIVERGED and NONFINITE, and
    CONVERGED for a sample whose residual became exactly 0.

    The loop runs under the caller's autograd mode. With gradients enabled the graph of all iterations is kept, which
    takes memory proportional to their number; wrap the call in `torch.no_grad()`, or use an `ImplicitModel` with an
    implicit gradient, to avoid that.

    Args:
        G: maps a state to a state of the same structure, shapes, dtypes and device, and leaves its argument unchanged.
        y0: the start: a floating-point tensor (B, …), or nested dicts, lists and tuples of such tensors with one B.
        solver: settings of the method, e.g. `Picard(damping=0.5)`.
        max_iter: the most iterations, at least 0. With 0, G is not called and the value is y0.
        tol: the relative residual to reach, at least 0.
        relative_to: a tensor (B,) to divide ‖G(y) − y‖ by, instead of ‖G(y)‖; ones make tol absolute, which is what a
            fixed point at the origin needs.
        keep_iterates: keep y_0 … y_T, as `Solution.iterates`.

    Raises:
        TypeError: y0 holds something other than real floating-point tensors, or an argument has the wrong type.
        ValueError: y0 has no batch axis, an argument is out of range, or G returns another structure, shape, dtype
            or device than it was given, or changes its argument in place.
        SolveInterrupted: Ctrl-C; what was reached is its `.solution`.

    Example:
        >>> x = torch.tensor([0.1, 0.5, 1.0])
        >>> solution = solve(lambda y: y - 0.5 * (x * y - 1), torch.zeros(3))
        >>> [status.name for status in solution.status]
        ['MAX_ITER', 'CONVERGED', 'CONVERGED']
        >>> solution.extend(300).value.round(decimals=2)  # 1 / x
        tensor([10.,  2.,  1.])
    """
    if not callable(G):
        raise TypeError(f"G must be callable, but is a {type(G).__name__}")
    check_settings(solver, max_iter, tol)
    leaves, spec = flatten_state(y0, "y0")
    size = norms(leaves)
    problem = _Problem(Operator(G, spec), spec, solver, tol, _scale(relative_to, size))
    status = torch.where(torch.isfinite(size), Status.MAX_ITER, Status.NONFINITE).to(torch.int8)
    start = _Walk(
        y=leaves,
        memory=solver.init(leaves),
        status=status,
        running=_count_running(problem, status),
        iterations=torch.zeros_like(size, dtype=torch.int64),
        growth_limit=size,
        rows=(),
        kept=(leaves,) if keep_iterates else None,
    )
    return _walk_on(problem, start, index(max_iter))


def _scale(relative_to: Tensor | None, size: Tensor) -> Tensor | None:
    """relative_to as the norms are, in dtype and device."""
    if relative_to is None:
        return None
    if not isinstance(relative_to, Tensor):
        raise TypeError(f"relative_to must be a tensor, one number per sample, but is {relative_to!r}")
    if relative_to.shape != size.shape:
        expected, given = tuple(size.shape), tuple(relative_to.shape)
        raise ValueError(f"relative_to must hold one number per sample, shape {expected}, but has shape {given}")
    return relative_to.to(size)


@dataclass(frozen=True)
class _Problem:
    """What stays the same from the first iteration to the last."""

    G: Operator
    spec: TreeSpec
    solver: Solver
    tol: float
    scale: Tensor | None  # what to divide ‖G(y) − y‖ by, if not ‖G(y)‖


@dataclass(frozen=True)
class _Walk:
    """Where a solve stands. It is replaced as a whole, so that an interrupt finds the one before intact."""

    y: Leaves
    memory: Any
    status: Tensor
    running: int  # how many samples walk on
    iterations: Tensor
    growth_limit: Tensor  # the largest step allowed; before the first iteration, ‖y_0‖
    rows: tuple[Tensor, ...]
    kept: tuple[Leaves, ...] | None


def _walk_on(problem: _Problem, walk: _Walk, k: int) -> Solution[Any]:
    """At most k iterations from `walk`."""
    try:
        for _ in range(k):
            if walk.running == 0:
                break
            walk = _iterate(problem, walk)
    except KeyboardInterrupt as interrupt:
        raise SolveInterrupted(_solution(problem, walk)) from interrupt
    return _solution(problem, walk)


def _iterate(problem: _Problem, walk: _Walk) -> _Walk:
    """One call of G, one row of residuals, one step of the samples that walk on."""
    image = problem.G(walk.y)
    with torch.no_grad():
        step, size = norms(differences(image, walk.y)), norms(image)
        growth_limit = walk.growth_limit if walk.rows else DIVERGENCE_GROWTH * (walk.growth_limit + step)
        residual, found = _judge(problem, step, size, growth_limit)
        going = walk.status == Status.MAX_ITER
        if problem.tol > 0:
            status = torch.where(going, found, walk.status)
            iterations = walk.iterations + going
        else:
            status = torch.maximum(found, walk.status)
            iterations = walk.iterations + 1
        running = _count_running(problem, status)
    y, memory = _step(problem, walk, image, status, running)
    kept = None if walk.kept is None else (*walk.kept, y)
    return _Walk(y, memory, status, running, iterations, growth_limit, (*walk.rows, residual), kept)


def _judge(problem: _Problem, step: Tensor, size: Tensor, growth_limit: Tensor) -> tuple[Tensor, Tensor]:
    """The relative residual and the status of every sample, from ‖G(y) − y‖ and ‖G(y)‖."""
    scale = size if problem.scale is None else problem.scale
    residual = step / (scale + torch.finfo(size.dtype).tiny)
    nonfinite = (step + size < math.inf).logical_not()  # true for NaN too
    residual = residual.masked_fill(nonfinite, math.inf)
    found = (residual <= problem.tol).to(torch.int8)
    found = found.masked_fill(step > growth_limit, Status.DIVERGED).masked_fill(nonfinite, Status.NONFINITE)
    return residual, found


def _count_running(problem: _Problem, status: Tensor) -> int:
    """How many samples walk on: the loop's one synchronisation of host and device, and none where nothing stops."""
    return int((status == Status.MAX_ITER).sum()) if problem.tol > 0 else len(status)


def _step(problem: _Problem, walk: _Walk, image: Leaves, status: Tensor, running: int) -> tuple[Leaves, Any]:
    if running == 0:
        return walk.y, walk.memory
    y, memory = problem.solver.step(problem.G, walk.y, image, walk.memory)
    return (y if running == len(status) else select(status == Status.MAX_ITER, y, walk.y)), memory


def _solution(problem: _Problem, walk: _Walk) -> Solution[Any]:
    return Solution(
        status_codes=walk.status,
        iterations=walk.iterations,
        rows=walk.rows,
        value=unflatten_state(walk.y, problem.spec),
        kept=None if walk.kept is None else tuple(unflatten_state(y, problem.spec) for y in walk.kept),
        walk_on=lambda k: _walk_on(problem, walk, check_count(k, "k")),
    )
