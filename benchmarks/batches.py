"""Tables "independence" and "useful": what the samples of a batch do to each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks import others_jax, others_torch, ours
from benchmarks.measuring import Recorder
from benchmarks.report import Cell, Row, rounded
from implicit_lib.solvers import Solver, solve

CALLS, TOL = 60, 1e-6
LOOSE = 1e-3  # where stopping early or late shows
N = 32

# The row of G that stands beside the well-behaved ones.
NEIGHBOURS: dict[str, Callable[[Tensor], Tensor]] = {
    "NaN": lambda y: y * torch.nan,
    "overflow": lambda y: 10 * y + 1,
    "singular: residuals all equal": lambda y: y + 1,
    "singular: a fixed point from the start": lambda y: y,
    "slow": lambda y: 0.999 * y + 1,
}
SOLVERS = {
    "ours": partial(ours.anderson, tol=LOOSE),
    "torchdeq": partial(others_torch.torchdeq_anderson, tol=LOOSE),
    "deepinv": others_torch.deepinv_anderson,
    "jaxopt": others_jax.jaxopt_anderson,
}


def independence() -> list[Row]:
    """The largest relative difference of a sample's result beside four others and a neighbour to its result alone."""
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(N, N, generator=generator) * 0.45 / N**0.5
    x = torch.randn(4, N, generator=generator)

    def good(y: Tensor, x: Tensor) -> Tensor:
        return torch.tanh((W * y[:, None]).sum(-1) + x)  # not a matrix product: its rounding depends on the batch

    def mixed(y: Tensor, neighbour: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.cat([good(y[:4], x), neighbour(y[4:])])

    cells: dict[str, dict[str, Cell]] = {name: {} for name in NEIGHBOURS}
    for library, solver in SOLVERS.items():
        alone = torch.cat([solver(partial(good, x=each[None]), torch.zeros(1, N), CALLS) for each in x])
        for name, neighbour in NEIGHBOURS.items():
            try:
                beside = solver(partial(mixed, neighbour=neighbour), torch.zeros(5, N), CALLS)[:4]
            except RuntimeError:
                cells[name][library] = "raises"
                continue
            difference = (beside - alone).norm(dim=1) / alone.norm(dim=1)
            cells[name][library] = rounded(difference.nan_to_num(torch.inf).max().item())
    return [Row(name, each, 1e-6) for name, each in cells.items()]


def useful() -> list[Row]:
    """Of all samples that the operator was given, in percent, those still on the way to 1e-6: one of 256 is slow."""
    generator = torch.Generator().manual_seed(0)
    R = torch.linalg.qr(torch.randn(N, N, generator=generator)).Q
    x = torch.randn(256, N, generator=generator)
    modulus = torch.full((256, 1), 0.2).index_fill(0, torch.tensor([17]), 0.9)

    def G(y: Tensor, inputs: tuple[Tensor, Tensor]) -> Tensor:
        modulus, x = inputs
        return modulus * (y @ R) + x

    rows = []
    for name, solver, peer in (
        ("Picard", ours.PICARD, others_torch.torchdeq_picard),
        ("Anderson", ours.ANDERSON, others_torch.torchdeq_anderson),
    ):
        whole = partial(G, inputs=(modulus, x))
        cells = {"ours": _share_of_ours(solver, G, (modulus, x), whole)}
        recorder = Recorder(whole)
        peer(recorder, torch.zeros_like(x), 300, tol=TOL)
        rows.append(Row(name, cells | {"torchdeq": _share(recorder, recorder.evaluated)}, 80, at_least=True))
    return rows


def _share_of_ours(
    solver: Solver, G: Callable[..., Tensor], inputs: tuple[Tensor, Tensor], whole: Callable[[Tensor], Tensor]
) -> float:
    evaluated = 0

    def counted(y: Tensor, inputs: tuple[Tensor, Tensor]) -> Tensor:
        nonlocal evaluated
        evaluated += len(y)
        return G(y, inputs)

    y0 = torch.zeros_like(inputs[1])
    with torch.no_grad():
        solve(counted, y0, inputs=inputs, solver=solver, max_iter=300, tol=TOL)
    recorder = Recorder(whole)
    ours.walk(solver, recorder, y0, 300, 0.0)
    return _share(recorder, evaluated)


def _share(recorder: Recorder, evaluated: int) -> float:
    """Calls that every sample needs, from a run that measured all samples at every call, as a share of those made."""
    return rounded(100 * recorder.first(TOL).sum().item() / evaluated)
