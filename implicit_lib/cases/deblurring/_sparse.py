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
        return ista(y, x, self.A, self.lam, self.step)


def ista(y: Tensor, x: Tensor, A: Tensor, lam: Tensor | float, step: Tensor | float) -> Tensor:
    """One step of `ISTA`, whose numbers may be tensors here."""
    return soft_threshold(y - step * ((y @ A.mT - x) @ A), step * lam)


def ista_modulus(A: Tensor, step: float, support: Tensor | None = None) -> float:
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
    return (y - ista(y, x, A, lam, 1.0)).abs().amax(dim=-1)


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


def _check_matrix(A: Tensor) -> None:
    if A.ndim != 2 or 0 in A.shape or not A.is_floating_point() or not torch.isfinite(A).all():
        raise ValueError(f"A must be a matrix of finite real numbers; got shape {tuple(A.shape)}, {A.dtype}.")


def _check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise ValueError(f"{name} must be a positive number; got {number}.")
