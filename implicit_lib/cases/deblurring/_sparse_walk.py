"""ISTA along a line of measurements as torch modules: what an explorer encodes, steps and shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._sparse import SparseProblems, duality_gap, ista, optimality_residual


@dataclass(frozen=True)
class SparseWalk:
    """The parts of a system for an explorer, in float64 on the CPU; the state is y at every point of the grid.

    Attributes:
        encode: (log10 λ, noise, γ‖A‖²), each at a value of the grid where there is one -> what step and view read.
        step: one step of ISTA at every point of the grid, and of its two speed limits.
        view: the arrays and numbers; see `sparse_walk`.
        start: y_0 = 0 (S, n), and the limits and the modulus, 0.
    """

    encode: nn.Module
    step: nn.Module
    view: nn.Module
    start: dict[str, Tensor]


def sparse_walk(problems: SparseProblems, *, watched: int) -> SparseWalk:
    """The walk of ISTA to the LASSO solution, along a line of measurements.

    It runs at every point of the grid at once, so that the view can show the answer as a function of the measurement.

    The view reads s, and has the arrays
    - place, y, y*, spikes, seen (n,): at s the iterate, the solution, the signal (these two NaN where they are 0), Aᵀx;
    - stems x, stems y (3n,): a line from 0 to every entry of the iterate;
    - grid, answer, true answer (S,): one entry of the iterate and the solution as functions of s;
    and the scalars s here, answer here; error (‖y_t − y*‖/‖y*‖), gap and residual (see `duality_gap` and
    `optimality_residual`), size and size of y* (numbers of nonzeros), wrong (of entries that are zero in only one of
    both); slope and true slope (the largest ‖Δy‖/‖Δx‖ between neighbours on the grid); limit (Λ ← μΛ + γ‖A‖ with
    μ = ‖I − γAᵀA‖), limit on the support (Λ ← μ_t Λ + γ‖P'AᵀΔx‖/‖Δx‖, with μ_t = ‖P'(I − γAᵀA)P‖ and the
    projections P and P' onto the entries used at t − 1 and t by any point of the grid); modulus (μ), modulus on the
    support (μ_t); and slope, limit and limit on the support "drawn", NaN where they are 0: a logarithmic axis has no 0.

    Args:
        problems: what is walked on.
        watched: the entry that the answer shows.

    Raises:
        ValueError: there is no such entry.
    """
    n = len(problems.signal)
    if not 0 <= watched < n:
        raise ValueError(f"watched: must be a number from 0 to {n - 1}, but is {watched}.")
    zero = torch.zeros((), dtype=torch.float64)
    start = {"y": torch.zeros(len(problems.grid), n, dtype=torch.float64)}
    start |= dict.fromkeys(("limit", "limit on the support", "modulus on the support"), zero)
    return SparseWalk(_Encode(problems), _Step(problems), _View(problems, watched), start)


class _Encode(nn.Module):
    """The measurements and solutions for these settings, and what does not change along the walk."""

    solutions: Tensor
    clean: Tensor
    noise: Tensor
    eigenvalues: Tensor

    def __init__(self, problems: SparseProblems) -> None:
        super().__init__()
        self.lams, self.noises = (_Scale(values) for values in (problems.lams, problems.noises))
        self.register_buffer("solutions", problems.solutions.flatten(0, 1))
        self.register_buffer("clean", problems.measured(0.0))
        self.register_buffer("noise", problems.noise)
        self.register_buffer("eigenvalues", torch.linalg.eigvalsh(problems.A.mT @ problems.A))

    def forward(self, log_lam: Tensor, noise: Tensor, relative_step: Tensor) -> tuple[Tensor, ...]:
        largest = self.eigenvalues.max()
        step = relative_step / largest
        number = self.lams.place(log_lam) * self.noises.count + self.noises.place(noise)
        return (
            self.clean + noise * self.noise,
            10**log_lam,
            step,
            step * largest.sqrt(),
            (1 - step * self.eigenvalues).abs().max(),
            self.solutions.index_select(0, number.long().reshape(1)).squeeze(0),
        )


class _Scale:
    """Values in equal steps, and the number of the one that a slider stands at."""

    def __init__(self, values: Tensor) -> None:
        self.first, self.step, self.count = float(values[0]), float(values[1] - values[0]), len(values)

    def place(self, value: Tensor) -> Tensor:
        return ((value - self.first) / self.step).round().clamp(0, self.count - 1)


class _Step(nn.Module):
    A: Tensor
    direction: Tensor

    def __init__(self, problems: SparseProblems) -> None:
        super().__init__()
        along = problems.A @ problems.change
        self.register_buffer("A", problems.A)
        self.register_buffer("direction", problems.A.mT @ along / along.norm())
        self.register_buffer("normal", problems.A.mT @ problems.A)
        self.register_buffer("identity", torch.eye(len(problems.signal), dtype=torch.float64))

    def forward(
        self,
        z: dict[str, Tensor],
        x: Tensor,
        lam: Tensor,
        step: Tensor,
        constant: Tensor,
        modulus: Tensor,
        *rest: Tensor,
    ) -> dict[str, Tensor]:
        y = ista(z["y"], x, self.A, lam, step)
        before, after = (_used(each) for each in (z["y"], y))
        linear = self.get_buffer("identity") - step * self.get_buffer("normal")
        here = _spectral_norm_bound(after[:, None] * linear * before).minimum(modulus)
        return {
            "y": y,
            "limit": modulus * z["limit"] + constant,
            "limit on the support": here * z["limit on the support"] + step * (after * self.direction).norm(),
            "modulus on the support": here,
        }


def _used(y: Tensor) -> Tensor:
    """1 where some row is not 0."""
    return (y.abs().amax(dim=0) > 0).to(y.dtype)


def _spectral_norm_bound(matrix: Tensor, squarings: int = 10) -> Tensor:
    """An upper bound of the largest singular value, close to it, from matrix products alone (a page has no more).

    With B = MᵀM and p = 2^squarings, ‖M‖² = ‖B‖ ≤ ‖B^p‖_F^(1/p) ≤ r^(1/(2p)) ‖B‖, where r is the rank.
    """
    power, log_norm, weight = matrix.mT @ matrix, torch.zeros((), dtype=matrix.dtype, device=matrix.device), 1.0
    tiny = torch.finfo(matrix.dtype).tiny
    for _ in range(squarings + 1):
        size = power.square().sum().sqrt().clamp(min=tiny)
        log_norm = log_norm + weight * size.log()
        power, weight = power / size, weight / 2
        power = power @ power
    return (log_norm / 2).exp()


class _View(nn.Module):
    A: Tensor
    signal: Tensor
    change: Tensor
    grid: Tensor
    places: Tensor

    def __init__(self, problems: SparseProblems, watched: int) -> None:
        super().__init__()
        self.watched = watched
        self.spacing = float((problems.grid[1] - problems.grid[0]) * (problems.A @ problems.change).norm())
        for name in ("A", "signal", "change", "grid"):
            self.register_buffer(name, getattr(problems, name))
        self.register_buffer("places", torch.arange(1.0, len(problems.signal) + 1).double())

    def forward(
        self,
        z: dict[str, Tensor],
        previous: dict[str, Tensor],
        x: Tensor,
        lam: Tensor,
        step: Tensor,
        constant: Tensor,
        modulus: Tensor,
        solutions: Tensor,
        s: Tensor,
    ) -> dict[str, Tensor]:
        number = (self.grid - s).abs().argmin().reshape(1)
        y, best, measured = (each.index_select(0, number).squeeze(0) for each in (z["y"], solutions, x))
        signal = self.signal + s * self.change
        used, should = (y.abs() > 0).to(y.dtype), (best.abs() > 1e-9).to(y.dtype)
        nothing = 0 * best[0]  # an exported graph gives out what it computes, not what it stores
        gap = torch.full_like(y, torch.nan)
        slope = z["y"].diff(dim=0).norm(dim=1).max() / self.spacing
        limit, nearer = z["limit"] + nothing, z["limit on the support"] + nothing
        return {
            "place": self.places + nothing,
            "y": y + nothing,
            "y*": torch.where(should > 0, best, torch.nan),
            "stems x": torch.stack([self.places, self.places, gap], dim=1).flatten() + nothing,
            "stems y": torch.stack([0 * y, y, gap], dim=1).flatten(),
            "spikes": torch.where(signal.abs() > 1e-9, signal, torch.nan) + nothing,
            "seen": measured @ self.A,
            "grid": self.grid + nothing,
            "answer": z["y"][:, self.watched] + nothing,
            "true answer": solutions[:, self.watched] + nothing,
            "s here": s + nothing,
            "answer here": y[self.watched] + nothing,
            "error": (y - best).norm() / best.norm().clamp(min=1e-12),
            "gap": duality_gap(self.A, measured, y, lam),
            "residual": optimality_residual(self.A, measured, y, lam),
            "size": used.sum() + nothing,
            "size of y*": should.sum() + nothing,
            "wrong": (used - should).abs().sum() + nothing,
            "slope": slope,
            "true slope": solutions.diff(dim=0).norm(dim=1).max() / self.spacing,
            "limit": limit,
            "limit on the support": nearer,
            "slope drawn": torch.where(slope > 0, slope, torch.nan),
            "limit drawn": torch.where(limit > 0, limit, torch.nan),
            "limit on the support drawn": torch.where(nearer > 0, nearer, torch.nan),
            "modulus": modulus + nothing,
            "modulus on the support": z["modulus on the support"] + nothing,
        }
