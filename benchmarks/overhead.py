"""Tables "picard" and "anderson": what the work of a solver costs, beside that of the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import torch
from torch import Tensor

from benchmarks import others_jax, others_torch, ours
from benchmarks.measuring import ratios
from benchmarks.report import Row, rounded
from benchmarks.zoo import Problem, Zoo

CALLS = 30
Runs = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Case:
    """A problem that is timed: in PyTorch, and in JAX an operator of the same shapes; targets; how often it is run."""

    name: str
    problem: Problem
    in_jax: tuple[Callable[[Any], Any], Any] | None
    picard: float
    anderson: float
    repetitions: int


def cases() -> Iterator[Case]:
    """The target table's. XLA's convolution takes 24 times as long inside a loop, on one thread, and is left out."""
    zoo = Zoo()
    yield Case("tanh 256×512", zoo.tanh(256, 512), _tanh_in_jax(256, 512), 1.05, 1.7, 9)
    yield Case("conv 8×32×64×64", zoo.convolutions(8, 32, 64), None, 1.05, 2.0, 5)
    yield Case("tanh 16×64", zoo.tanh(16, 64), _tanh_in_jax(16, 64), 4, 8, 25)


def picard() -> list[Row]:
    """Picard with a residual per sample and iteration; "bare loop" is the least that takes."""
    solvers = {"torchdeq": others_torch.torchdeq_picard, "deepinv": others_torch.deepinv_picard}
    rows = []
    for case in cases():
        runs = _runs(case.problem, ours.picard, solvers)
        runs["bare loop"] = partial(_loop_with_residuals, case.problem.at, case.problem.y0)
        rows.append(_row(case, runs, ("jaxopt picard", "optimistix picard"), case.picard))
    return rows


def anderson() -> list[Row]:
    """Anderson acceleration with 5 columns of history; "bare loop" is the least that takes."""
    solvers = {"torchdeq": others_torch.torchdeq_anderson, "deepinv": others_torch.deepinv_anderson}
    rows = []
    for case in cases():
        runs = _runs(case.problem, ours.anderson, solvers)
        runs["bare loop"] = partial(_bare_anderson, case.problem.at, case.problem.y0)
        rows.append(_row(case, runs, ("jaxopt anderson",), case.anderson))
    return rows


def _runs(problem: Problem, our: Callable[..., Tensor], solvers: dict[str, Callable[..., Tensor]]) -> Runs:
    runs: Runs = {
        "ours": partial(our, problem.at, problem.y0, CALLS, tol=ours.UNREACHABLE),
        "ours, tol=0": partial(our, problem.at, problem.y0, CALLS),
    }
    return runs | {name: partial(solver, problem.at, problem.y0, CALLS) for name, solver in solvers.items()}


def _row(case: Case, runs: Runs, jax_solvers: tuple[str, ...], target: float) -> Row:
    """Times in evaluations of the bare operator, in PyTorch; in JAX those of JAX's, compiled and not."""
    in_jax = others_jax.timed(*case.in_jax, CALLS) if case.in_jax else {}
    entries = {"bare": partial(_chain, case.problem.at, case.problem.y0), **runs}
    pairs = {name: (name, "bare") for name in runs}
    columns = list(runs)
    for solver in jax_solvers:
        for reference in ("compiled G", "G op by op"):
            columns.append(column := f"{solver.split()[0]} / {reference}")
            if in_jax:
                entries |= {solver: in_jax[solver], reference: in_jax[reference]}
                pairs[column] = (solver, reference)
    with torch.no_grad():
        found = ratios(entries, pairs, repetitions=case.repetitions)
    return Row(case.name, {name: rounded(found[name]) if name in found else None for name in columns}, target)


def _chain(G: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
    for _ in range(CALLS):
        y = G(y)
    return y


def _loop_with_residuals(G: Callable[[Tensor], Tensor], y: Tensor) -> list[Tensor]:
    """What one would write by hand: the relative residual of every sample and iteration, and nothing else."""
    residuals = []
    for _ in range(CALLS):
        image = G(y)
        step = torch.linalg.vector_norm((image - y).flatten(1), dim=1)
        residuals.append(step / torch.linalg.vector_norm(image.flatten(1), dim=1))
        y = image
    return residuals


def _bare_anderson(G: Callable[[Tensor], Tensor], start: Tensor) -> list[Tensor]:
    """What one would write by hand: rings of residuals and images, a Gram matrix of which one row is new, and a ridge.

    Neither safeguards nor tolerances, and no care for scale: it does fewer operations than any library can.
    """
    batch, n, history = len(start), start[0].numel(), 5
    y, residuals = start.reshape(batch, n), []
    steps, images = torch.zeros(batch, history, n), torch.zeros(batch, history, n)
    gram, ridge, ones = torch.zeros(batch, history, history), 1e-6 * torch.eye(history), torch.ones(batch, history, 1)
    for k in range(CALLS):
        image = images[:, k % history]
        image.copy_(G(y.reshape(start.shape)).reshape(batch, n))
        step = torch.sub(image, y, out=steps[:, k % history])
        row = torch.bmm(steps, step.unsqueeze(2)).squeeze(2)
        gram[:, k % history] = gram[:, :, k % history] = row
        residuals.append(torch.sqrt(row[:, k % history]) / torch.linalg.vector_norm(image, dim=1))
        used = min(k + 1, history)
        weights = torch.linalg.solve(gram[:, :used, :used] + ridge[:used, :used], ones[:, :used])
        y = torch.bmm((weights / weights.sum(1, keepdim=True)).mT, images[:, :used]).squeeze(1)
    return residuals


def _tanh_in_jax(batch: int, n: int) -> tuple[Callable[[Any], Any], Any]:
    W, x = 0.45 / n**0.5 * _normal(n, n), _normal(batch, n)
    return lambda y: jnp.tanh(y @ W.T + x), jnp.zeros((batch, n))


def _normal(*shape: int) -> Any:
    return jax.random.normal(jax.random.key(0), shape)
