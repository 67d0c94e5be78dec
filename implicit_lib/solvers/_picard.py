"""Plain and damped fixed-point iteration."""

from dataclasses import dataclass
from numbers import Real

import torch

from implicit_lib.solvers._state import Leaves, Operator


@dataclass(frozen=True, kw_only=True)
class Picard:
    """Picard iteration y_t = (1 - β) y_{t-1} + β G(y_{t-1}), with damping β in (0, 1].

    It converges whenever G is a contraction, at the rate of G's modulus for β = 1. Damping has the same fixed points
    and tames eigenvalues of ∂G/∂y below −1.

    Raises:
        ValueError: damping is outside (0, 1]. Over-relaxation, β > 1, can turn a contraction into a divergent
            iteration and is left out.
    """

    damping: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.damping, Real) or not 0 < self.damping <= 1:
            raise ValueError(f"damping must be in (0, 1], but is {self.damping!r}; 1 is plain iteration")

    def init(self, y: Leaves) -> None:
        """Picard iteration remembers nothing but y."""

    def step(self, G: Operator, y: Leaves, image: Leaves, memory: None) -> tuple[Leaves, None]:
        """The next iterate, from y and image = G(y)."""
        if self.damping == 1:
            return image, memory
        return tuple(torch.lerp(old, new, self.damping) for old, new in zip(y, image, strict=True)), memory
