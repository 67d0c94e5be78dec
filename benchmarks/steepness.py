"""Table "lipschitz": the diagnostics, against dense singular values and eigenvalues in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torchdeq.loss import power_method

from benchmarks.report import Row, rounded
from benchmarks.zoo import Problem, Zoo
from implicit_lib.lipschitz import contraction_modulus, local_lipschitz, spectral_radius

BATCH, N, T = 4, 64, 10


def lipschitz() -> list[Row]:
    """The largest error over a batch of points, in percent of the true number; the target is about norms alone."""
    return [*_norms(), *_steepness(), *_radii()]


def _norms() -> Iterator[Row]:
    for problem in _problems():
        y = _somewhere(problem)
        true = torch.linalg.matrix_norm(_jacobians(problem.G, y, problem.x), ord=2)
        yield _row(f"‖∂G/∂y‖, {problem.name}", true, contraction_modulus(problem.at, y).value)


def _steepness() -> Iterator[Row]:
    for problem in _problems():
        if problem.x.shape != problem.y0.shape:
            continue

        def trajectory(x: Tensor, problem: Problem = problem) -> list[Tensor]:
            iterates = [problem.y0[: len(x)]]
            for _ in range(T):
                iterates.append(problem.G(iterates[-1], x))
            return iterates[1:]

        dense = _jacobians(lambda x, _, walk=trajectory: walk(x)[-1], problem.x, problem.x)
        true = torch.linalg.matrix_norm(dense, ord=2)
        yield _row(f"L_{T}, {problem.name}", true, local_lipschitz(trajectory, problem.x).value[-1])


def _radii() -> Iterator[Row]:
    torch.manual_seed(0)  # where torchdeq starts
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    quarter = Problem("a quarter turn × 0.9", "", lambda y, x: 0.9 * y @ turn.T + x, *torch.zeros(2, BATCH, 2).double())
    for problem in (quarter, *_problems()):
        if problem.name in ("nilpotent", "non-normal"):  # dense eigenvalues, too, have few right digits there
            continue
        y = _somewhere(problem)
        true = torch.linalg.eigvals(_jacobians(problem.G, y, problem.x)).abs().amax(-1)
        point = y.clone().requires_grad_()
        theirs = power_method(problem.at(point), point, n_iters=100)[1]
        yield _row(f"ρ(∂G/∂y), {problem.name}", true, spectral_radius(problem.at, y).value, theirs, None)


def _row(name: str, true: Tensor, ours: Tensor, theirs: Tensor | None = None, target: float | None = 1) -> Row:
    cells = {"ours": _percent(true, ours), "torchdeq": None if theirs is None else _percent(true, theirs)}
    return Row(name, cells, target)


def _percent(true: Tensor, found: Tensor) -> float:
    """Of the true number, or of 1 where that is 0."""
    error = (found.double() - true).abs() / torch.where(true > 1e-6, true, 1.0)
    return rounded(100 * error.nan_to_num(torch.inf).max().item())


def _problems() -> list[Problem]:
    zoo = Zoo(dtype=torch.float64)
    return [
        zoo.rotation(BATCH, N),
        zoo.nilpotent(BATCH, N),
        zoo.non_normal(BATCH, N),
        zoo.convolutions(BATCH, 4, 8),
        zoo.tanh(BATCH, N),
    ]


def _somewhere(problem: Problem) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(problem.y0.shape, generator=generator, dtype=torch.float64)


def _jacobians(f: Callable[[Tensor, Tensor], Tensor], y: Tensor, x: Tensor) -> Tensor:
    """(B, N, N): the derivative of f in its first argument, sample by sample."""
    each = [
        torch.func.jacrev(lambda row, i=i: f(row[None], x[i : i + 1])[0])(y[i]).reshape(y[i].numel(), -1)
        for i in range(len(y))
    ]
    return torch.stack(each)
