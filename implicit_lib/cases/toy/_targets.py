"""One-dimensional targets whose Lipschitz constant is known exactly.

The paper's Figure 1 uses targets of Lipschitz constant 5, 10, 15 and 20 that it does not specify; these are this
book's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CENTRE = 0.2
"""Where every target is steepest."""
SCALE = 0.25
"""How far from the centre the chirp begins to slow down."""
DOMAIN = (-1.0, 1.0)


@dataclass(frozen=True)
class Target:
    """The chirp F_K(x) = sin(K s asinh((x − c)/s)) on [−1, 1], with c = CENTRE and s = SCALE.

    Its slope F_K'(x) = K cos(…) / √(1 + ((x − c)/s)²) is at most K in size and equal to K at x = c, so that its
    Lipschitz constant is exactly K = `constant`, whatever else: the amplitude stays 1, and towards the ends the
    oscillations slow down in proportion to the distance from c.

    Raises:
        ValueError: the constant is not positive.
    """

    constant: float

    def __post_init__(self) -> None:
        if not self.constant > 0:
            raise ValueError(f"a target's Lipschitz constant must be positive, but is {self.constant!r}")

    def __call__(self, x: Tensor) -> Tensor:
        """F_K(x), of the shape and dtype of x."""
        return torch.sin(self._phase(x))

    def derivative(self, x: Tensor) -> Tensor:
        """F_K'(x), of the shape and dtype of x."""
        return self.constant * torch.cos(self._phase(x)) / torch.sqrt(1 + ((x - CENTRE) / SCALE) ** 2)

    def _phase(self, x: Tensor) -> Tensor:
        return self.constant * SCALE * torch.asinh((x - CENTRE) / SCALE)


def grid(points: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Tensor:
    """Evenly spaced inputs (points, 1) that cover the domain, ends included."""
    return torch.linspace(*DOMAIN, points, dtype=dtype, device=device)[:, None]


def least_error(target: Target, bounds: Tensor, *, points: int = 601) -> Tensor:
    """For every bound Λ, a maximum error that no function of Lipschitz constant at most Λ can go below.

    The best uniform approximation of F by Λ-Lipschitz functions has the error ½ max (|F(x) − F(x')| − Λ|x − x'|)₊, the
    maximum over all pairs (McShane's extension of F, moved by half the gap, attains it). A maximum over the pairs of a
    grid can only be smaller, so that what is returned is a true lower bound.

    Args:
        target: F.
        bounds: (T,), the Lipschitz bounds Λ.
        points: of the grid.

    Returns:
        (T,), in float64.
    """
    x = grid(points)
    gaps, distances = (target(x) - target(x).T).abs(), (x - x.T).abs()
    return torch.stack([(gaps - bound * distances).amax().clamp(min=0) / 2 for bound in bounds.double()])
