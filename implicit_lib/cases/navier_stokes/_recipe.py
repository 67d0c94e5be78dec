"""What is trained, and how: one typed recipe a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from torch import nn

from ._networks import ExplicitFNO, FNOSize, ImplicitFNO

ModelName = Literal["explicit", "implicit"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)

SMALL = FNOSize(width=24, modes=8, blocks=3)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The states that an implicit model is trained at: kept from step to step, so that few iterations reach old ones.

    Attributes:
        states: how many flows walk at once.
        iterations: of G in one step, all of them differentiated and judged.
        restart: the probability that a step takes another flow, from h_0 = 0, instead of the walking one.
        damping: the share of G(h, q) in the next state; the rest is h.
    """

    states: int
    iterations: int
    restart: float
    damping: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        model: which of the models.
        size: of its network.
        side: N, points along a side of the flows.
        replay: the states it is trained at, of an implicit model; None of an explicit one.
        steps, batch: gradient steps, and flows a step.
        learning_rate: of Adam at the start; it falls along a cosine to 0.
        clip: the largest norm of a gradient.
        seed: of the initial weights and of everything random in training.
    """

    model: ModelName
    size: FNOSize
    steps: int
    replay: Replay | None = None
    side: int = 32
    batch: int = 16
    learning_rate: float = 2e-3
    clip: float = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.model}-{self.size.blocks}-seed{self.seed}"

    def build(self) -> nn.Module:
        """The model before training."""
        return (ExplicitFNO if self.model == "explicit" else ImplicitFNO)(self.size, self.side)


def recipe(model: ModelName, seed: int = 0) -> Recipe:
    """The book's recipe; both models take about the same time.

    Raises:
        ValueError: there is no such model.
    """
    if model not in MODELS:
        raise ValueError(f"there is no model {model!r}; choose one of {', '.join(MODELS)}")
    if model == "explicit":
        return Recipe(model=model, size=SMALL, steps=14_000, seed=seed)
    replay = Replay(states=256, iterations=3, restart=0.06, damping=0.5)
    return Recipe(model=model, size=SMALL, steps=4_500, replay=replay, seed=seed)
