"""Trained models on disk: weights as safetensors, and a model card beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from implicit_lib.cases._files import five_digits
from implicit_lib.cases._running import Progress
from implicit_lib.cases.looped_transformers._networks import LoopedTransformer, Transformer
from implicit_lib.cases.looped_transformers._recipe import ModelName
from implicit_lib.cases.looped_transformers._store import Store

from ._boards import minimal
from ._evaluation import LEVELS, levels, solved
from ._recipe import Recipe
from ._training import train

WEIGHTS = Path(__file__).parent / "weights"
"""The models that ship."""

_STORE = Store("implicit_lib.cases.looped_transformers.sudoku", Recipe)

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
    return _STORE.train_and_write(
        recipe, folder, lambda checkpoint: train(recipe, checkpoint, device=device, progress=progress), metrics
    )


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


def read_card(model: ModelName, *, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of a trained model.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return _STORE.read_card(model, seed, folder)


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
    return _STORE.load(model, seed, folder, device)
