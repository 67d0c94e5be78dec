"""Sparse reconstruction: ISTA as an implicit model, and the exact solutions that it is held against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn


class LassoError(RuntimeError):
    """A solution was found that does not satisfy the optimality conditions to rounding."""


def soft_threshold(v: Tensor, threshold: Tensor | float) -> Tensor:
    """sign(v) · max(|v| − threshold, 0), the proximal map of threshold · ‖·‖₁."""
    return v.sign() * (v.abs() - threshold).clamp(min=0)


class ISTA(nn.Module):
    """G(y, x) = soft_threshold(y − γ Aᵀ(A y − x), γ λ): a proximal gradient step for ½‖x − A y‖² + λ‖y‖₁.

    Its fixed points are the minimisers, whatever γ > 0. It is Lipschitz in x with constant γ‖A‖, and nonexpansive in y
    for γ ≤ 2/‖A‖², and a contraction if besides A has full column rank and the inequality is strict. Larger steps are
    not refused: they diverge from starts far away, and often from 0.

    Source: Daubechies, Defrise, De Mol 2004.

    Args:
        A: (m, n), the measurement.
        lam: λ, the weight of the ℓ1 norm, positive.
        step: γ, the step size, positive.

    Raises:
        ValueError: A is not a matrix of finite numbers, or a number is not positive.
    """

    A: Tensor

    def __init__(self, A: Tensor, *, lam: float, step: float) -> None:
        super().__init__()
        _check_matrix(A)
        _check_positive(lam=lam, step=step)
        self.register_buffer("A", A)
        self.lam, self.step = lam, step

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        """One step: y (…, n) and x (…, m) give the next y."""
        return _ista(y, x, self.A, self.lam, self.step)


def _ista(y: Tensor, x: Tensor, A: Tensor, lam: Tensor | float, step: Tensor | float) -> Tensor:
    return soft_threshold(y - step * ((y @ A.mT - x) @ A), step * lam)


def contraction_modulus(A: Tensor, step: float, support: Tensor | None = None) -> float:
    """‖I − γ AᵀA‖: the smallest Lipschitz constant of y ↦ G(y, x) for `ISTA`; on a support, of its restriction to it.

    Args:
        A: (m, n).
        step: γ.
        support: (n,) of bool, or None for all of them.

    Raises:
        ValueError: A is not a matrix of finite numbers, γ is not positive, or the support is of another size or empty.
    """
    _check_matrix(A)
    _check_positive(step=step)
    if support is not None:
        if support.shape != A.shape[1:] or support.dtype != torch.bool or not support.any():
            raise ValueError(f"support must say of each of {A.shape[1]} columns whether it is used, and use some.")
        A = A[:, support]
    eigenvalues = torch.linalg.eigvalsh(A.mT @ A)
    return float((1 - step * eigenvalues).abs().max())


def optimality_residual(A: Tensor, x: Tensor, y: Tensor, lam: float | Tensor) -> Tensor:
    """max |y − soft_threshold(y − Aᵀ(A y − x), λ)|: zero if and only if y minimises ½‖x − A y‖² + λ‖y‖₁ (KKT).

    Args:
        A: (m, n).
        x: (…, m).
        y: (…, n).
        lam: λ.

    Returns:
        (…).
    """
    return (y - _ista(y, x, A, lam, 1.0)).abs().amax(dim=-1)


def duality_gap(A: Tensor, x: Tensor, y: Tensor, lam: float | Tensor) -> Tensor:
    """The objective at y minus a lower bound of all its values: what y could still gain is at most this.

    The bound is the dual objective ½‖x‖² − ½‖x − θ‖² at the residual x − A y, scaled down until |Aᵀθ| ≤ λ. Since the
    objective is strongly convex in A y, ‖A y − A y*‖² ≤ 2 · gap.

    Args:
        A: (m, n).
        x: (…, m).
        y: (…, n).
        lam: λ.

    Returns:
        (…), not negative but for rounding.
    """
    rest = x - y @ A.mT
    steepest = (rest @ A).abs().amax(dim=-1)
    theta = rest * (lam / steepest.clamp(min=torch.finfo(x.dtype).tiny)).clamp(max=1.0).unsqueeze(-1)
    primal = rest.square().sum(dim=-1) / 2 + lam * y.abs().sum(dim=-1)
    return primal - (theta * x).sum(dim=-1) + theta.square().sum(dim=-1) / 2


def lasso(A: Tensor, x: Tensor, lam: float) -> Tensor:
    """The minimiser of ½‖x − A y‖² + λ‖y‖₁ to rounding, by an active-set method that shares nothing with `ISTA`.

    The dual problem is to project x onto the polytope |Aᵀθ| ≤ λ. It is solved as nonnegative least squares, whose
    multipliers are y (Lawson and Hanson, Solving Least Squares Problems, 1974, Section 23.4), by SciPy. Where there
    are several minimisers, one of them.

    Args:
        A: (m, n).
        x: (…, m).
        lam: λ, positive.

    Returns:
        (…, n), float64.

    Raises:
        ValueError: A is not a matrix of finite numbers, x does not fit, or λ is not positive.
        LassoError: the optimality conditions do not hold to 1e-9 of the size of the data.
    """
    _check_matrix(A)
    _check_positive(lam=lam)
    if x.shape[-1:] != A.shape[:1] or not torch.isfinite(x).all():
        raise ValueError(f"x must be finite, with rows of length {A.shape[0]} as A has rows; got {tuple(x.shape)}.")
    matrix, rows = A.double(), x.double().reshape(-1, A.shape[0])
    y = torch.stack([_by_active_set(matrix, row, lam) for row in rows]) if len(rows) else rows @ matrix
    if len(rows):
        left = float(optimality_residual(matrix, rows, y, lam).max())
        if not left <= 1e-9 * max(1.0, float(matrix.abs().max()), float(rows.abs().max())):
            raise LassoError(f"The optimality conditions are violated by {left:.1e}: A may be too ill-conditioned.")
    return y.reshape(*x.shape[:-1], A.shape[1])


def _by_active_set(A: Tensor, x: Tensor, lam: float) -> Tensor:
    from scipy.optimize import nnls

    m, n = A.shape
    signed = torch.cat([-A, A], dim=1)  # for θ = x + w the constraints are signedᵀ w ≥ far
    far = torch.cat([A.mT @ x, -A.mT @ x]) - lam
    if not (far > 0).any():
        return torch.zeros_like(far[:n])  # x itself is in the polytope
    system = torch.cat([signed, far[None]]).numpy()
    multipliers, _ = nnls(system, np.eye(m + 1)[m], maxiter=50 * n)
    left = 1 - float(system[m] @ multipliers)
    y = torch.from_numpy(multipliers / left)
    return y[:n] - y[n:]


def gaussian_blur(n: int, width: float) -> Tensor:
    """The matrix (n, n) of the circular convolution with a Gaussian of standard deviation `width`, of sum 1; float64.

    Raises:
        ValueError: n is not a positive whole number, or the width is not positive.
    """
    _check_positive(n=n, width=width)
    around = torch.arange(n).minimum(n - torch.arange(n)).double()
    kernel = torch.exp(-((around / width) ** 2) / 2)
    places = (torch.arange(n)[:, None] - torch.arange(n)) % n
    return (kernel / kernel.sum())[places]


def random_projections(m: int, n: int, seed: int) -> Tensor:
    """A matrix (m, n) of independent normal numbers of variance 1/m, so that columns have length about 1; float64.

    Raises:
        ValueError: a size is not positive.
    """
    _check_positive(m=m, n=n)
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(m, n, generator=draw, dtype=torch.float64) / math.sqrt(m)


@dataclass(frozen=True, eq=False)
class SparseProblems:
    """Measurements x = A (signal + s · change) + noise · (a fixed normal vector), and the exact LASSO solutions.

    Attributes:
        A: (m, n).
        signal: (n,), the sparse signal.
        change: (n,), what is added to it, s times.
        grid: (S,), the values of s, in equal steps.
        lams: (K,), the values of log10 λ, in equal steps.
        noises: (J,), the noise levels, in equal steps.
        noise: (m,), the normal vector.
        solutions: (K, J, S, n).
    """

    A: Tensor
    signal: Tensor
    change: Tensor
    grid: Tensor
    lams: Tensor
    noises: Tensor
    noise: Tensor
    solutions: Tensor

    def measured(self, noise: Tensor | float) -> Tensor:
        """x at every point of the grid, (S, m)."""
        return (self.signal + self.grid[:, None] * self.change) @ self.A.mT + noise * self.noise


def sparse_problems(
    A: Tensor,
    signal: Tensor,
    change: Tensor,
    *,
    grid: Sequence[float],
    lams: Sequence[float],
    noises: Sequence[float],
    seed: int,
) -> SparseProblems:
    """Solve every problem, K · J · S of them; some tenth of a millisecond each.

    Args:
        A: (m, n).
        signal: (n,).
        change: (n,), not in the kernel of A.
        grid: values of s.
        lams: values of log10 λ.
        noises: noise levels. These three ascend in equal steps, two or more each.
        seed: of the noise.

    Raises:
        ValueError: sizes do not fit, or the values are not such.
        LassoError: see `lasso`.
    """
    _check_matrix(A)
    m, n = A.shape
    if signal.shape != (n,) or change.shape != (n,):
        raise ValueError(f"signal and change must have length {n}; got {tuple(signal.shape)}, {tuple(change.shape)}.")
    if not float((A.double() @ change.double()).norm()) > 0:
        raise ValueError("A · change is 0: no measurement sees this change.")
    at, log_lams, levels = (torch.tensor(values, dtype=torch.float64) for values in (grid, lams, noises))
    for name, scale in (("grid", at), ("lams", log_lams), ("noises", levels)):
        steps = scale.diff()
        if len(steps) == 0 or not (steps > 0).all() or not torch.allclose(steps, steps.mean(), rtol=1e-6, atol=0):
            raise ValueError(f"{name}: must be two or more numbers, ascending in equal steps; got {scale.tolist()}.")
    noise = torch.randn(m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    unsolved = SparseProblems(
        A.double(), signal.double(), change.double(), at, log_lams, levels, noise, torch.empty(0, dtype=torch.float64)
    )
    x = torch.stack([unsolved.measured(level) for level in levels])
    return replace(unsolved, solutions=torch.stack([lasso(A, x, 10**lam) for lam in log_lams.tolist()]))


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
        y = _ista(z["y"], x, self.A, lam, step)
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


def _check_matrix(A: Tensor) -> None:
    if A.ndim != 2 or 0 in A.shape or not A.is_floating_point() or not torch.isfinite(A).all():
        raise ValueError(f"A must be a matrix of finite real numbers; got shape {tuple(A.shape)}, {A.dtype}.")


def _check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise ValueError(f"{name} must be a positive number; got {number}.")
