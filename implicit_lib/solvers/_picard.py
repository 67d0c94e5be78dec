"""Plain and damped fixed-point iteration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from implicit_lib.solvers._checks import check_damping
from implicit_lib.solvers._solver import Evaluation


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
    patience: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_damping(self.damping, "plain iteration")

    def init(self, y: Tensor) -> None:
        """Picard iteration remembers nothing but y."""

    def step(self, G: Callable[[Tensor], Tensor], at: Evaluation, memory: None) -> tuple[Tensor, None]:
        """The next iterate, from y and G(y)."""
        return at.image if self.damping == 1 else torch.lerp(at.y, at.image, self.damping), memory
