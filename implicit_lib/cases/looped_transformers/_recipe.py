"""What is trained, and how: one typed recipe a model, in two presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from implicit_lib.cases._running import check_names

from ._chains import VALUES
from ._networks import ChainEmbedding, ExplicitTransformer, LoopedTransformer, Size, Transformer

ModelName = Literal["looped", "explicit", "explicit-deep"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)
"""The loop; one pass through its blocks; and one pass through as many blocks as DEEP iterations of the loop have."""

Preset = Literal["small", "wide"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

DEEP = 12
"""Iterations of the loop that cost as much as one pass of the deep explicit transformer."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        preset: "small" is what ships; "wide" is for a GPU.
        model: which of the models.
        size: of the transformer.
        longest: statements of the longest chains that are trained on; they begin with 1, and all are used from
            `share_of_curriculum` of the steps on.
        statements: of a context, at most; a fifth of them when training begins.
        tokens: in a batch, at most; a batch has 8 to 64 contexts, all of one form.
        before: a step begins with 0 … `before` iterations that are not differentiated, at random.
        iterations: that follow and are, each with a loss; 1 for an explicit model.
        steps, learning_rate: of Adam, the rate falling along a cosine to 0.
        share_of_curriculum: see `longest`.
        clip: the largest norm of a gradient.
        seed: of the initial weights and of the contexts.
    """

    preset: Preset
    model: ModelName
    size: Size
    longest: int
    statements: int
    tokens: int
    before: int
    iterations: int
    steps: int
    learning_rate: float
    share_of_curriculum: float
    clip: float = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        """The name of its files."""
        return name_of(self.model, self.seed)

    def build(self) -> Transformer:
        """The untrained model, its weights drawn from torch's current random state."""
        kind = LoopedTransformer if self.model == "looped" else ExplicitTransformer
        return kind(self.size, ChainEmbedding(self.size.width), VALUES)


def name_of(model: ModelName, seed: int) -> str:
    """The name of the files of a trained model."""
    return model if seed == 0 else f"{model}-seed{seed}"


def recipe(preset: Preset, model: ModelName, seed: int = 0) -> Recipe:
    """The book's recipe. The models of a preset have as much time for training, and so different numbers of steps.

    Raises:
        RecipeError: there is no such preset or model.
    """
    check_names(preset, PRESETS, model, MODELS)
    loops = model == "looped"
    width, tokens, steps = (64, 2_048, _STEPS[model]) if preset == "small" else (256, 16_384, 20_000)
    return Recipe(
        preset=preset,
        model=model,
        size=Size(width=width, heads=width // 32, blocks=2 * DEEP if model == "explicit-deep" else 2, factor=2),
        longest=6,
        statements=160,
        tokens=tokens,
        before=8 if loops else 0,
        iterations=4 if loops else 1,
        steps=steps,
        learning_rate=1e-3 if model == "explicit-deep" else 2e-3,
        share_of_curriculum=0.4,
        seed=seed,
    )


_STEPS: dict[ModelName, int] = {"looped": 4_000, "explicit": 16_000, "explicit-deep": 1_600}
