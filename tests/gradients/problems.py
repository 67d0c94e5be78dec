"""A nonlinear equilibrium small enough to be differentiated by dense linear algebra."""

from collections.abc import Callable

import torch
from torch import Tensor

from implicit_lib import Solution, solve
from implicit_lib.gradients import Gradient


def equilibrium(gradient: Gradient, G: Callable[[Tensor], Tensor], y0: Tensor, **options: object) -> Solution[Tensor]:
    options = {"max_iter": 2000, "tol": 1e-13, **options}
    max_iter = options.pop("max_iter")
    return gradient.differentiate(G, lambda k: solve(G, y0, max_iter=k, **options), max_iter)


def tanh_operator(W: Tensor, x: Tensor) -> Callable[[Tensor], Tensor]:
    """y ↦ tanh(W y + x), a contraction in y wherever ‖W‖ < 1."""
    return lambda y: torch.tanh(y @ W.T + x)


def tanh_equilibrium(gradient: Gradient, W: Tensor, x: Tensor, **options: object) -> Tensor:
    return equilibrium(gradient, tanh_operator(W, x), torch.zeros_like(x), **options).value


def tanh_problem(
    *, modulus: float, dtype: torch.dtype = torch.float64, seed: int = 0, kind: str = "any", size: float = 0.3
) -> tuple[Tensor, Tensor]:
    """W (6, 6) of norm `modulus`, and x (4, 6); both require gradients.

    W is a random matrix ("any"), its symmetric or antisymmetric part ("symmetric", "rotation"), or contracts fast but
    for one direction ("slow").
    """
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    if kind == "slow":
        direction = torch.nn.functional.normalize(torch.randn(6, generator=generator, dtype=torch.float64), dim=0)
        W = 0.01 * W + torch.outer(direction, direction)
    W = {"any": W, "slow": W, "symmetric": W + W.T, "rotation": W - W.T}[kind]
    W = W * modulus / torch.linalg.matrix_norm(W, ord=2)
    x = size * torch.randn(4, 6, generator=generator, dtype=torch.float64)
    return W.to(dtype).requires_grad_(), x.to(dtype).requires_grad_()


def dense_gradient(W: Tensor, x: Tensor, y: Tensor, incoming: Tensor) -> tuple[Tensor, Tensor]:
    """dL/dW and dL/dx at the equilibria y, in float64, from (I − J)^{-T} dL/dy."""
    W, x, y, incoming = (each.detach().double() for each in (W, x, y, incoming))
    slope = 1 - torch.tanh(y @ W.T + x) ** 2
    J = slope.unsqueeze(2) * W
    adjoint = torch.linalg.solve((torch.eye(len(W), dtype=W.dtype) - J).mT, incoming)
    return torch.einsum("bi,bj->ij", slope * adjoint, y), slope * adjoint


def distance(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """The largest relative error ‖found − expected‖ / ‖expected‖."""
    errors = [
        torch.linalg.vector_norm(a.double() - b.double()) / torch.linalg.vector_norm(b.double())
        for a, b in zip(found, expected, strict=True)
    ]
    return float(torch.stack(errors).max())
