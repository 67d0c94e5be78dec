"""What is trained on boards, and how: one typed recipe a model."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from implicit_lib.cases._running import RecipeError
from implicit_lib.cases.looped_transformers._networks import (
    ExplicitTransformer,
    LoopedTransformer,
    Size,
    Transformer,
)
from implicit_lib.cases.looped_transformers._recipe import DEEP, MODELS, ModelName, name_of

from ._boards import SIDE, relation


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        model: which of the models, as for chains.
        size: of the transformer.
        deepest: rounds that the boards of the training need; see `shallow`.
        boards: how many of them are made; each step turns its own by random symmetries, and puts clues back.
        batch: boards of a step.
        before: a step begins with 0 … `before` iterations that are not differentiated, at random.
        iterations: that follow and are, each with a loss; 1 for an explicit model.
        steps, learning_rate: of Adam, the rate falling along a cosine to 0.
        clip: the largest norm of a gradient.
        seed: of the initial weights and of the boards.
    """

    model: ModelName
    size: Size
    deepest: int = 5
    boards: int = 4_000
    batch: int = 64
    before: int
    iterations: int
    steps: int
    learning_rate: float
    clip: float = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        """The name of its files."""
        return name_of(self.model, self.seed)

    def build(self) -> Transformer:
        """The untrained model, its weights drawn from torch's current random state."""
        kind = LoopedTransformer if self.model == "looped" else ExplicitTransformer
        return kind(self.size, nn.Embedding(SIDE + 1, self.size.width), SIDE, relation())


def recipe(model: ModelName, seed: int = 0) -> Recipe:
    """The book's recipe. All models have as much time for training, and so different numbers of steps.

    Raises:
        RecipeError: there is no such model.
    """
    if model not in MODELS:
        raise RecipeError(f"there is no model {model!r}; choose one of {', '.join(MODELS)}")
    loops = model == "looped"
    return Recipe(
        model=model,
        size=Size(width=64, heads=2, blocks=2 * DEEP if model == "explicit-deep" else 2, factor=2),
        before=16 if loops else 0,
        iterations=4 if loops else 1,
        steps=_STEPS[model],
        learning_rate=1e-3 if model == "explicit-deep" else 2e-3,
        seed=seed,
    )


_STEPS: dict[ModelName, int] = {"looped": 5_000, "explicit": 24_000, "explicit-deep": 2_800}
