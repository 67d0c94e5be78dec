"""The solve loop: the only one, whatever the solver."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from operator import index
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from implicit_lib.solvers._checks import check_count, check_settings
from implicit_lib.solvers._judge import Norms, Verdict, Watch, count, judge, largest_step
from implicit_lib.solvers._layout import Layout, PackedOperator
from implicit_lib.solvers._picard import Picard
from implicit_lib.solvers._solution import Solution, SolveInterrupted, Status
from implicit_lib.solvers._solver import Evaluation, Solver
from implicit_lib.solvers._state import Operator, flatten_state, is_large, norms, readable

Y = TypeVar("Y")

_LARGE = 2**20  # numbers in a state: above it, a look costs little beside G

_DEFAULT_SOLVER = Picard()


def solve(
    G: Callable[..., Y],
    y0: Y,
    *,
    inputs: Any = None,
    solver: Solver = _DEFAULT_SOLVER,
    max_iter: int = 100,
    tol: float = 1e-6,
    relative_to: Tensor | None = None,
    keep_iterates: bool = False,
) -> Solution[Y]:
    """Walk from y0 towards a fixed point y = G(y), every sample of the batch for itself.

    Iteration t calls G once, at y_{t−1}, and measures the relative residual ‖G(y_{t−1}) − y_{t−1}‖ / ‖G(y_{t−1})‖ of
    each sample (Euclidean norm over all its entries). A sample whose residual is at most tol is CONVERGED and keeps
    y_{t−1}, the very iterate that was measured. It is NONFINITE when y or G(y) is not finite, DIVERGED when
    ‖G(y_{t−1}) − y_{t−1}‖ exceeds 10⁶ (‖y_0‖ + ‖G(y_0) − y_0‖); then too it keeps y_{t−1}, the last good iterate. The
    loop ends when all samples have finished or max_iter iterations have passed. No sample influences another, as long
    as G itself treats them independently. Norms are accumulated in float64, so that no dtype overflows; on a CPU in
    float32 where that does as well (to 1e-3 of the norm in samples of a million numbers).

    With tol=0 nothing stops early: exactly max_iter iterations of every sample, plain y_T = the solver's T-th iterate
    whatever it is, and no synchronisation of host and device. The status still tells DIVERGED and NONFINITE, and
    CONVERGED for a sample whose residual became exactly 0.

    With `inputs`, G is called as G(y, inputs), and finished samples are freed from further work: once an eighth of the
    batch has finished, G sees only the rows of y and of inputs that still walk.

    A look at the residuals synchronises host and device. On a CPU there is one every iteration; elsewhere a small state
    may walk up to `solver.patience` iterations in between, fewer as a sample nears tol. The value is still the iterate
    described above; calls of G beyond it are the price.

    The loop runs under the caller's autograd mode. With gradients enabled the graph of all iterations is kept, which
    takes memory proportional to their number; wrap the call in `torch.no_grad()`, or use an `ImplicitModel` with an
    implicit gradient, to avoid that.

    Args:
        G: maps a state to a state of the same structure, shapes, dtypes and device, and leaves its argument unchanged.
        y0: the start: a floating-point tensor (B, …), or nested dicts, lists and tuples of such tensors with one B.
        inputs: what G takes beside the state, if it is to see a part of the batch: nested dicts, lists and tuples of
            tensors (B, …), or `()` for a G(y, ()) that needs nothing.
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
    layout = Layout.of(leaves, spec)
    y, size = layout.pack(leaves), norms(leaves)
    status = torch.where(torch.isfinite(size), Status.MAX_ITER, Status.NONFINITE).to(torch.int8)
    patience = 1 if keep_iterates or _looks_are_cheap(y) else solver.patience
    solver = solver if y.shape[1] else _DEFAULT_SOLVER  # without numbers there is nothing to accelerate
    problem = _Problem(G, layout, solver, float(tol), _scale(relative_to, size), patience)
    start = _Walk(
        y=y,
        memory=solver.init(y),
        inputs=_per_sample(inputs, len(y)),
        rows=None,
        value=None,
        status=status,
        # Where nothing stops, nothing needs to be known: no synchronisation of host and device.
        running=int((status == Status.MAX_ITER).sum()) if tol > 0 else len(y),
        iterations=torch.zeros_like(size, dtype=torch.int64),
        start_size=size,
        limit=None,
        residuals=(),
        kept=(y,) if keep_iterates else None,
    )
    return _walk_on(problem, start, index(max_iter))


def _looks_are_cheap(y: Tensor) -> bool:
    """Whether to look at every residual: it synchronises, but looking later takes memory for the iterates between."""
    return y.device.type == "cpu" or y.numel() > _LARGE


def _per_sample(inputs: Any, batch: int) -> tuple[Any, ...]:
    """What G takes beside the state: nothing, or inputs of which the rows of finished samples can be dropped."""
    if inputs is None:
        return ()
    for leaf in tree_leaves(inputs):
        if not isinstance(leaf, Tensor):
            raise TypeError(f"inputs must hold tensors only, but hold a value of type {type(leaf).__name__}")
        if leaf.dim() == 0 or len(leaf) != batch:
            raise ValueError(
                f"the first axis of all inputs must be the batch, {batch} samples as in y0, but one has shape "
                f"{tuple(leaf.shape)}; let G close over what the samples share"
            )
    return (inputs,)


def _scale(relative_to: Tensor | None, size: Tensor) -> Tensor | None:
    """relative_to as the norms are, in dtype and device."""
    if relative_to is None:
        return None
    if not isinstance(relative_to, Tensor):
        raise TypeError(f"relative_to must be a tensor, one number per sample, but is {relative_to!r}")
    if relative_to.shape != size.shape:
        expected, given = tuple(size.shape), tuple(relative_to.shape)
        raise ValueError(f"relative_to must hold one number per sample, shape {expected}, but has shape {given}")
    if not relative_to.is_floating_point():
        raise TypeError(f"relative_to must hold floating-point numbers, but holds {relative_to.dtype}")
    scale = relative_to.detach().to(size)
    if readable(scale) and not bool((scale >= 0).all()):
        raise ValueError(f"relative_to must be at least 0 for every sample, but is {relative_to}")
    return scale


@dataclass(frozen=True)
class _Problem:
    """What stays the same from the first iteration to the last."""

    function: Callable[..., Any]
    layout: Layout
    solver: Solver
    tol: float
    scale: Tensor | None  # what to divide ‖G(y) − y‖ by (B,), if not ‖G(y)‖
    patience: int  # how many iterations may pass between two looks at the residuals


@dataclass(frozen=True)
class _Walk:
    """Where a solve stands. It is replaced as a whole, so that an interrupt finds the one before intact.

    b samples are in the batch that G sees, B take part in the solve.
    """

    y: Tensor  # (b, N)
    memory: Any
    inputs: tuple[Any, ...]
    rows: Tensor | None  # which of the B samples the b are (b,); None: all of them
    value: Tensor | None  # (B, N), right for the samples that were dropped from the batch
    status: Tensor  # (B,)
    running: int  # how many samples walk on
    iterations: Tensor  # (B,)
    start_size: Tensor  # ‖y_0‖ (B,)
    limit: Tensor | None  # the largest step that is not divergence (B,), known from the first iteration on
    residuals: tuple[Tensor, ...]  # blocks (k, B)
    kept: tuple[Tensor, ...] | None  # y_0, y_1, …, each (B, N)

    @property
    def whole(self) -> Tensor:
        """The iterates or values of all samples (B, N)."""
        return self.to_all(self.y, self.value)

    @property
    def last_residual(self) -> Tensor:
        """The newest residual of all samples (B,), infinity where there is none."""
        return self.residuals[-1].select(0, -1) if self.residuals else torch.full_like(self.start_size, math.inf)

    def of_batch(self, of_all: Tensor) -> Tensor:
        """The b entries of a tensor (B,)."""
        return of_all if self.rows is None else of_all.index_select(0, self.rows)

    def to_all(self, of_batch: Tensor, of_all: Tensor | None, dim: int = 0) -> Tensor:
        """The tensor of_all (B), the b entries replaced."""
        return of_batch if self.rows is None or of_all is None else of_all.index_copy(dim, self.rows, of_batch)


@dataclass
class _Trail:
    """The iterations since a walk. `reached` is replaced as a whole: an interrupt finds it consistent."""

    reached: tuple[int, Tensor, Any]  # how many iterations, and the iterate and the memory after them
    norms: Norms  # of every iterate that was measured
    visited: dict[int, Tensor] = field(default_factory=dict)  # those measured since the last look, by iteration
    kept: list[Tensor] = field(default_factory=list)  # y_1, y_2, … of this trail
    scratch: list[Tensor] = field(default_factory=list)  # memory for residuals


def _walk_on(problem: _Problem, walk: _Walk, k: int) -> Solution[Any]:
    """At most k iterations from `walk`."""
    scratch: list[Tensor] = []
    while k and walk.running:
        trail = _Trail((0, walk.y, walk.memory), Norms(walk.y), scratch=scratch)
        try:
            last_step = _advance(problem, walk, trail, k)
            n = trail.norms.count
            walk = _settle(problem, walk, trail, n, last_step)
        except KeyboardInterrupt as interrupt:
            raise SolveInterrupted(_solution(problem, _saved(problem, walk, trail))) from interrupt
        k -= n
    return _solution(problem, walk)


def _saved(problem: _Problem, walk: _Walk, trail: _Trail) -> _Walk:
    """The walk as far as the trail is complete."""
    n, y, memory = trail.reached
    return _settle(problem, walk, trail, n, lambda: (y, memory)) if n else walk


def _advance(problem: _Problem, walk: _Walk, trail: _Trail, k: int) -> Callable[[], tuple[Tensor, Any]]:
    """At most k calls of G with the steps between them, until a sample finishes.

    Returns the step after the last call, which nobody may need.
    """
    G = PackedOperator(Operator(problem.function, problem.layout.spec, walk.inputs), problem.layout)
    watch = _watch(problem, walk) if problem.tol > 0 else None
    due = 0
    for n in range(k):
        at = _evaluate(G, trail.reached[1], trail.scratch, 1 if trail.reached[2] is None else 2)
        trail.norms.measure(at)
        if watch is not None:
            trail.visited[n] = at.y
            if n == due:
                ahead = watch.quiet_for(trail.norms, min(trail.visited))
                if ahead == 0:
                    break
                due += max(1, int(min(problem.patience, ahead / 2)))
                trail.visited.clear()
        if n + 1 < k:
            y, memory = _step(problem, walk, G, at, trail.reached[2])
            if walk.kept is not None:
                trail.kept.append(y)
            trail.reached = (n + 1, y, memory)
            del at, y, memory  # so that G finds their memory free
    return partial(_step, problem, walk, G, at, trail.reached[2])


def _evaluate(G: PackedOperator, y: Tensor, scratch: list[Tensor], buffers: int) -> Evaluation:
    """One call of G. Large residuals take turns in the same memory: fresh pages cost more than the subtraction."""
    image = G(y)
    if y.element_size() < 4:  # differences in half precision can overflow
        return Evaluation(y, image, image.float() - y.float())
    if not is_large(y):
        return Evaluation(y, image, image - y)
    if scratch and scratch[0].shape[0] != y.shape[0]:
        scratch.clear()
    out = torch.empty_like(y) if len(scratch) < buffers else scratch.pop(0)
    scratch.append(out)
    return Evaluation(y, image, torch.sub(image, y, out=out))


def _step(problem: _Problem, walk: _Walk, G: PackedOperator, at: Evaluation, memory: Any) -> tuple[Tensor, Any]:
    """The solver's step; samples that have finished and are still in the batch stay where they are."""
    y, memory = problem.solver.step(G, at, memory)
    y = problem.layout.rounded(y)
    if problem.tol > 0 and walk.running < y.shape[0]:
        y = torch.where(_walking(walk).unsqueeze(1), y, walk.y)
    return y, memory


def _walking(walk: _Walk) -> Tensor:
    """Which of the samples in the batch walk on (b,)."""
    return walk.of_batch(walk.status) == Status.MAX_ITER


def _watch(problem: _Problem, walk: _Walk) -> Watch:
    return Watch(
        scale=None if problem.scale is None else walk.of_batch(problem.scale),
        limit=None if walk.limit is None else walk.of_batch(walk.limit),
        start_size=walk.start_size,
        tol=problem.tol,
        walking=_walking(walk) if walk.running < walk.y.shape[0] else None,
        far=problem.patience > 1,
    )


def _settle(
    problem: _Problem, walk: _Walk, trail: _Trail, n: int, last_step: Callable[[], tuple[Tensor, Any]]
) -> _Walk:
    """The walk after the first n iterations of the trail."""
    # On a CPU most walks are known to end as they went on, which saves much where the state is small.
    whole = walk.running == walk.y.shape[0]
    quiet = whole and trail.norms.on_cpu and _watch(problem, walk).quiet_for(trail.norms, 0) > 0
    with torch.no_grad():
        verdict, limit = _judge(problem, walk, *trail.norms.rows(0, n), quiet=quiet)
        running, length = count(verdict) if problem.tol > 0 and not quiet else (walk.running, n)
    residuals = verdict.residuals.narrow(0, 0, length)
    y, memory = last_step() if running else (walk.y, walk.memory)
    if running < y.shape[0]:
        y = _hold(walk, verdict, trail.visited, y)
    moved = replace(
        walk,
        y=y,
        memory=memory,
        status=walk.to_all(verdict.status, walk.status),
        running=running,
        iterations=walk.iterations + walk.to_all(verdict.taken, torch.zeros_like(walk.iterations)),
        limit=walk.to_all(limit, walk.limit),
        residuals=(*walk.residuals, walk.to_all(residuals, walk.last_residual.expand(length, -1), 1)),
    )
    if walk.kept is not None:
        between = (walk.to_all(y, walk.value) for y in trail.kept[: length - 1])
        moved = replace(moved, kept=(*walk.kept, *between, moved.whole))
    return _freed(moved)


def _judge(problem: _Problem, walk: _Walk, steps: Tensor, sizes: Tensor, *, quiet: bool) -> tuple[Verdict, Tensor]:
    """The verdict on these iterations, and the largest step that is not divergence."""
    limit = largest_step(walk.start_size, steps.select(0, 0)) if walk.limit is None else walk.of_batch(walk.limit)
    scale = None if problem.scale is None else walk.of_batch(problem.scale)
    before, status = walk.of_batch(walk.last_residual), walk.of_batch(walk.status)
    return judge(
        steps, sizes, scale=scale, limit=limit, tol=problem.tol, before=before, status=status, quiet=quiet
    ), limit


def _hold(walk: _Walk, verdict: Verdict, visited: dict[int, Tensor], y: Tensor) -> Tensor:
    """y, but for the samples that have finished the very iterate whose residual was judged."""
    held = walk.y
    for row, iterate in visited.items():
        held = torch.where((verdict.finished & (verdict.last == row)).unsqueeze(1), iterate, held)
    return torch.where((verdict.status == Status.MAX_ITER).unsqueeze(1), y, held)


def _freed(walk: _Walk) -> _Walk:
    """The walk without the samples that have finished, once they are an eighth of the batch."""
    if not walk.inputs or walk.running == 0 or 8 * walk.running > 7 * len(walk.y):
        return walk
    walking = walk.of_batch(walk.status) == Status.MAX_ITER
    kept = walking.nonzero().squeeze(1)

    def pick(leaf: Any) -> Any:
        return leaf.index_select(0, kept) if isinstance(leaf, Tensor) else leaf

    return replace(
        walk,
        y=pick(walk.y),
        memory=tree_map(pick, walk.memory),
        inputs=tree_map(pick, walk.inputs),
        rows=kept if walk.rows is None else pick(walk.rows),
        value=walk.whole,
    )


def _solution(problem: _Problem, walk: _Walk) -> Solution[Any]:
    state = problem.layout.state
    return Solution(
        status_codes=walk.status,
        iterations=walk.iterations,
        blocks=walk.residuals,
        value=state(walk.whole),
        kept=None if walk.kept is None else tuple(state(y) for y in walk.kept),
        walk_on=partial(_extended, problem, walk),
    )


def _extended(problem: _Problem, walk: _Walk, k: int) -> Solution[Any]:
    """At most k further iterations, from a copy of the memory: this walk may be extended again."""
    memory = tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, walk.memory)
    return _walk_on(problem, replace(walk, memory=memory), check_count(k, "k"))
