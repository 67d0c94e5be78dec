"""Table "implicit": the error of implicit gradients, against a dense solve in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks import others_jax, training
from benchmarks.report import Cell, Row, rounded

BATCH, N, CALLS = 16, 64, 200
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SCALES = (1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1e9)

Method = Callable[..., Tensor]  # (operator, x, y0, calls, b_tol=…) → y
METHODS: dict[str, Method] = {
    "ours": training.with_ours,
    "torchdeq": training.with_torchdeq,
    'torchdeq, "rel"': partial(training.with_torchdeq, stop_mode="rel"),
    "deepinv": training.with_deepinv,
}


class Equilibrium:
    """y = tanh(W y + x) with ‖W‖ = 0.9, its solution in float64, and the gradients of s · mean (y − target)².

    Every solve starts at the solution, rounded to float32, so that what is measured is the backward pass alone.
    """

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        W, x, target = (torch.randn(rows, N, generator=generator, dtype=torch.float64) for rows in (N, BATCH, BATCH))
        self.W, self.x, self.target = 0.9 * W / torch.linalg.matrix_norm(W, ord=2), x, target
        self.y = torch.zeros_like(x)
        for _ in range(400):
            self.y = torch.tanh(self.y @ self.W.T + x)

    def exact(self) -> tuple[Tensor, Tensor]:
        """dℓ/dW and dℓ/dx for s = 1: with D = diag(1 − y²), (I − D W)ᵀ v = dℓ/dy and dℓ/dx = D v, by elimination."""
        slopes = 1 - self.y**2
        transposed = torch.eye(N, dtype=torch.float64) - self.W.T * slopes[:, None]
        v = torch.linalg.solve(transposed, 2 / self.y.numel() * (self.y - self.target))
        return (slopes * v).T @ self.y, slopes * v

    def found(self, method: Method, scale: float, b_tol: float) -> tuple[Tensor, Tensor]:
        W, x = (each.float().requires_grad_() for each in (self.W, self.x))
        y = method(lambda y, x: torch.tanh(y @ W.T + x), x, self.y.float(), CALLS, b_tol=b_tol)
        (scale * (y - self.target.float()).square().mean()).backward()
        return W.grad.double() / scale, x.grad.double() / scale

    def error(self, found: tuple[Tensor, Tensor]) -> float:
        """The larger of the two relative errors."""
        return max(((a - b).norm() / b.norm()).item() for a, b in zip(found, self.exact(), strict=True))


def implicit() -> list[Row]:
    """The largest error over the loss's scales for every tolerance; then, at 1e-6, that of every scale."""
    problem = Equilibrium()
    in_jax = {
        name: {scale: problem.error(found(problem.W, problem.x, problem.y, problem.target, scale)) for scale in SCALES}
        for name, found in others_jax.GRADIENTS.items()
    }
    rows, errors = [], {}
    for b_tol in TOLERANCES:
        errors = {
            name: {scale: problem.error(problem.found(method, scale, b_tol)) for scale in SCALES}
            for name, method in METHODS.items()
        } | in_jax
        cells: dict[str, Cell] = {name: rounded(max(each.values())) for name, each in errors.items()}
        rows.append(Row(f"b_tol {b_tol:.0e}, worst scale", cells, 3 * b_tol))
    for scale in SCALES:
        cells = {name: rounded(each[scale]) for name, each in errors.items()}
        rows.append(Row(f"b_tol 1e-06, loss × {scale:.0e}", cells, 3e-6))
    return rows
