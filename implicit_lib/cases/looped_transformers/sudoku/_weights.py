"""Trained models on disk: weights as safetensors, and a model card beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from implicit_lib.cases import _files
from implicit_lib.cases._files import five_digits, load_weights, parameter_count
from implicit_lib.cases._running import Progress, train_once, write_trained
from implicit_lib.cases.looped_transformers._networks import LoopedTransformer, Size, Transformer
from implicit_lib.cases.looped_transformers._recipe import ModelName, name_of

from ._boards import minimal
from ._evaluation import LEVELS, levels, solved
from ._recipe import Recipe
from ._training import train

WEIGHTS = Path(__file__).parent / "weights"
"""The models that ship."""

AT = (1, 2, 4, 8, 16, 32, 64, 128, 500)
"""The t for which a card tells what is solved; of an explicit model 1 only."""

TESTED = 1_000
"""Boards of a card: `minimal(TESTED, 1)`."""


def train_and_write(
    recipe: Recipe, folder: Path, *, device: torch.device | str = "cpu", progress: Progress = print
) -> dict[str, Any]:
    """Train by `recipe` into the folder unless that has been done, resuming what was interrupted; returns the card.

    Raises:
        TrainingInterrupted, CheckpointError, FloatingPointError: as `train` does.
        WeightsError: the folder holds a card of that name that is damaged.
    """

    def make(checkpoint: Path) -> dict[str, Any]:
        trained = train(recipe, checkpoint, device=device, progress=progress)

        def judge() -> dict[str, Any]:
            model = trained.model.cpu()
            return {"parameters": parameter_count(model), "metrics": metrics(model)}

        return write_trained(recipe, trained, folder, judge)

    def read() -> dict[str, Any]:
        return read_card(recipe.model, seed=recipe.seed, folder=folder)

    return train_once(recipe, folder, read=read, recipe_of=recipe_of, make=make)


def metrics(model: Transformer) -> dict[str, Any]:
    """What a card tells of a model, to five digits.

    Returns:
        "boards": how many of the tested ones are of each of `LEVELS`;
        "solved": for each of them that has any, the share that is solved at each t.
    """
    boards = minimal(TESTED, 1)
    level, at = levels(boards), AT if isinstance(model, LoopedTransformer) else (1,)
    found = solved(model, boards, at).double()
    return {
        "boards": {name: int((level == i).sum()) for i, name in enumerate(LEVELS)},
        "solved": {
            name: {str(t): five_digits(row[level == i].mean()) for t, row in zip(at, found, strict=True)}
            for i, name in enumerate(LEVELS)
            if bool((level == i).any())
        },
    }


def recipe_of(card: dict[str, Any]) -> Recipe:
    """The recipe that a card tells of."""
    fields = dict(card["recipe"])
    return Recipe(**fields | {"size": Size(**fields["size"])})


def read_card(model: ModelName, *, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of a trained model.

    Raises:
        WeightsError: it is missing or damaged.
    """
    path = folder / f"{name_of(model, seed)}.json"
    return _files.read_card(path, recipe_of, remedy=_remedy(model, seed, folder))


def load(model: ModelName, *, seed: int = 0, folder: Path = WEIGHTS, device: torch.device | str = "cpu") -> Transformer:
    """A trained model in evaluation mode.

    Args:
        model: its name; see `MODELS`.
        seed: of its training.
        folder: where it lies.
        device: where it goes.

    Raises:
        WeightsError: its card or its weights are missing or damaged.
    """
    recipe = recipe_of(read_card(model, seed=seed, folder=folder))
    module = recipe.build()
    load_weights(module, folder / f"{recipe.name}.safetensors", remedy=_remedy(model, seed, folder))
    return module.to(device).eval()


def _remedy(model: ModelName, seed: int, folder: Path) -> str:
    package = "implicit_lib.cases.looped_transformers.sudoku"
    return f"python -m {package} train --model {model} --seed {seed} --output {folder}"
