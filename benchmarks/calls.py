"""Tables "calls", "excess" and "symmetric": how often a solver calls the operator until it is at the tolerance.

Every solver is handed a `Recorder`. A peer is credited with the first call that, for the slowest sample, was made at a
point within the tolerance, as if it had stopped right there. Ours is charged every call that it made until it stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

from torch import Tensor

from benchmarks import others_jax, others_torch, ours
from benchmarks.measuring import Recorder
from benchmarks.report import NEVER, Cell, Row
from benchmarks.zoo import Problem, Zoo, problems

TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SCALES = (1e-4, 1e-2, 1.0, 1e2, 1e4)
PEERS = {
    "torchdeq": others_torch.torchdeq_anderson,
    "deepinv": others_torch.deepinv_anderson,
    "jaxopt": others_jax.jaxopt_anderson,
}
MOST = 1000  # calls of Picard iteration that are waited for; accelerations get half as many


def calls() -> list[Row]:
    """Calls at scale 1, at the five tolerances."""
    rows = []
    for problem in problems():
        cells: dict[str, Cell] = {"Picard": _listed(_first(problem, ours.picard, MOST))}
        cells["ours"] = _listed(_made(problem))
        cells |= {name: _listed(_first(problem, solver, MOST // 2)) for name, solver in PEERS.items()}
        rows.append(Row(problem.name, cells))
    return rows


def excess() -> list[Row]:
    """The most calls beyond Picard's, over tolerances and scales; of the peers, for time's sake, at three scales."""
    found: dict[str, dict[str, float]] = {}
    for scale in SCALES:
        for problem in problems(scale=scale):
            picard = _first(problem, ours.picard, MOST)
            worst = found.setdefault(problem.name, dict.fromkeys(["ours", *PEERS], -math.inf))
            worst["ours"] = max(worst["ours"], _beyond(_made(problem), picard))
            if scale in (SCALES[0], 1, SCALES[-1]):
                for name, solver in PEERS.items():
                    worst[name] = max(worst[name], _beyond(_first(problem, solver, MOST // 2), picard))
    return [
        Row(name, {key: NEVER if value == math.inf else value for key, value in worst.items()}, 1)
        for name, worst in found.items()
    ]


def symmetric() -> list[Row]:
    """Calls to 1e-6 where W is symmetric and x small, so that the slopes at the fixed point are large."""
    rows = []
    for norm, target in ((0.9, 27), (0.99, 40)):
        problem = Zoo().symmetric(64, 256, norm=norm, drive=0.3)
        cells: dict[str, Cell] = {"ours": _number(_made(problem)[-1])}
        cells["Picard"] = _number(_first(problem, ours.picard, MOST)[-1])
        cells |= {name: _number(_first(problem, solver, MOST // 2)[-1]) for name, solver in PEERS.items()}
        rows.append(Row(f"‖W‖ = {norm}", cells, target))
    return rows


def _first(problem: Problem, solver: Callable[..., Tensor], most: int) -> list[float]:
    """For every tolerance, the call at which the last sample was there; infinity if it never was."""
    recorder = Recorder(problem.at)
    with suppress(RuntimeError):  # PyTorch's, of a singular matrix: what was reached before counts
        solver(recorder, problem.y0, most)
    return [recorder.first(tol).max().item() for tol in TOLERANCES]


def _made(problem: Problem) -> list[float]:
    """For every tolerance, the calls that our acceleration made until it stopped; infinity if it stopped elsewhere."""
    numbers = []
    for tol in TOLERANCES:
        recorder = Recorder(problem.at)
        ours.anderson(recorder, problem.y0, MOST // 2, tol=tol)
        reached = bool(recorder.first(tol).isfinite().all())
        numbers.append(recorder.calls if reached else math.inf)
    return numbers


def _beyond(accelerated: list[float], picard: list[float]) -> float:
    """The most calls more than Picard's, where Picard gets there at all."""
    return max((a - p for a, p in zip(accelerated, picard, strict=True) if p < math.inf), default=-math.inf)


def _number(calls: float) -> Cell:
    return NEVER if calls == math.inf else calls


def _listed(numbers: list[float]) -> str:
    return " · ".join(NEVER if number == math.inf else str(int(number)) for number in numbers)
