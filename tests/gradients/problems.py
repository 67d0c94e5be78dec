"""A nonlinear equilibrium small enough to be differentiated by dense linear algebra."""

from collections.abc import Callable

import torch
from torch import Tensor


def tanh_operator(W: Tensor, x: Tensor) -> Callable[[Tensor], Tensor]:
    """y ↦ tanh(W y + x), a contraction in y wherever ‖W‖ < 1."""
    return lambda y: torch.tanh(y @ W.T + x)


def tanh_problem(*, modulus: float, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor]:
    """W (6, 6) of norm `modulus`, and x (4, 6); both require gradients."""
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    W = W * modulus / torch.linalg.matrix_norm(W, ord=2)
    x = 0.3 * torch.randn(4, 6, generator=generator, dtype=torch.float64)
    return W.to(dtype).requires_grad_(), x.to(dtype).requires_grad_()


def dense_gradient(W: Tensor, x: Tensor, y: Tensor, incoming: Tensor) -> tuple[Tensor, Tensor]:
    """dL/dW and dL/dx at the equilibria y, in float64, from (I − J)^{-T} dL/dy."""
    W, x, y, incoming = (each.detach().double() for each in (W, x, y, incoming))
    slope = 1 - torch.tanh(y @ W.T + x) ** 2
    J = slope.unsqueeze(2) * W
    adjoint = torch.linalg.solve((torch.eye(len(W), dtype=W.dtype) - J).mT, incoming)
    return torch.einsum("bi,bj->ij", slope * adjoint, y), slope * adjoint
