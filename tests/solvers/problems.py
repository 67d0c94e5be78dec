"""Fixed-point problems whose answers are known, for the tests of every solver and gradient."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

ETA = 0.5


@dataclass(frozen=True)
class Linear:
    """G(y) = A y + b per sample, ‖A‖ = modulus; the fixed point is (I − A)^{-1} b."""

    A: Tensor
    b: Tensor

    def __call__(self, y: Tensor) -> Tensor:
        return torch.einsum("bij,bj->bi", self.A, y) + self.b

    @property
    def fixed_point(self) -> Tensor:
        return torch.linalg.solve(torch.eye(self.A.shape[-1], dtype=self.A.dtype) - self.A, self.b)


def linear(*, modulus: float, batch: int = 4, n: int = 6, seed: int = 0, dtype: torch.dtype = torch.float64) -> Linear:
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(batch, n, n, generator=generator, dtype=torch.float64)
    A = A * modulus / torch.linalg.matrix_norm(A, ord=2, keepdim=True)
    b = torch.randn(batch, n, generator=generator, dtype=torch.float64)
    return Linear(A.to(dtype), b.to(dtype))


def reciprocal(x: Tensor) -> Callable[[Tensor], Tensor]:
    """G(y, x) = y − η (x y − 1): from y_0 = 0, y_t = (1 − (1 − ηx)^t) / x."""
    return lambda y: y - ETA * (x * y - 1)
