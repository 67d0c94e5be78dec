"""What is trained, and how. The paper has no such experiment, so there is one preset: the one that ships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

INPUT_SLOPE = 2.0
"""The bound on |∂G/∂x| that all the operators obey; chapter 2 has the same."""

FLOORS = (2, 4, 8, 16, 32)
"""The K of the forced operators: ε ≥ 1/K."""


@dataclass(frozen=True)
class Target:
    """A locally Lipschitz F with values in [0, 1]: its formula, and the left end of its domain [low, 1]."""

    formula: Callable[[Tensor], Tensor]
    low: float

    def points(self, count: int) -> Tensor:
        """x (count, 1) in float64 from low to 1, evenly spaced in log x, so that the steep end is seen."""
        return torch.logspace(torch.log10(torch.tensor(self.low)).item(), 0, count, dtype=torch.float64)[:, None]


TARGETS = {
    "reciprocal": Target(lambda x: 0.02 / x, 0.02),
    "root": Target(torch.sqrt, 1e-4),
}
"""1/x on [0.02, 1] in units of its largest value, 50; and √x on [0.0001, 1]. Both have slope 50 at their left end."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        target: a key of TARGETS.
        floor: K of a forced operator, or None for the adaptive one.
        seed: of the initial weights and of the batches.
        width: of the hidden layers.
        learning_rate: the peak of a one-cycle schedule, for Adam.
        steps, batch: gradient steps, and inputs a step.
        norm: the p of the loss (mean |y* − F|^p)^(1/p): a large p, because the theory is about the largest error.

    Raises:
        ValueError: there is no such target, or floor is below 1.
    """

    target: str
    floor: int | None
    seed: int = 1
    width: int = 32
    learning_rate: float = 1e-2
    steps: int = 1_000
    batch: int = 256
    norm: int = 8

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ValueError(f"there is no target {self.target!r}; choose one of {', '.join(TARGETS)}")
        if self.floor is not None and self.floor < 1:
            raise ValueError(f"floor must be a K of at least 1, or None; got {self.floor}")

    @property
    def name(self) -> str:
        """The name under which the model is stored."""
        return f"{self.target}-{'adaptive' if self.floor is None else self.floor}"
