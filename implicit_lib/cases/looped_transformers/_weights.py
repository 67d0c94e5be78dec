"""Trained models on disk: weights as safetensors, and a model card beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from implicit_lib.cases._files import five_digits
from implicit_lib.cases._running import Progress

from ._chains import flipped
from ._evaluation import accuracy, contexts_of, rests, separation
from ._networks import LoopedTransformer, Transformer
from ._recipe import ModelName, Recipe
from ._store import Store
from ._training import train

WEIGHTS = Path(__file__).parent / "weights"
"""The models that ship."""

_STORE = Store("implicit_lib.cases.looped_transformers", Recipe)

AT = {6: (1, 2, 4, 8, 16), 16: (1, 2, 4, 6, 8, 12, 16, 32, 64, 500), 64: (16, 32, 64, 128, 256)}
"""The t for which a card tells the accuracy, for each length of chains; of an explicit model 1 only."""

_CONTEXTS = {6: 200, 16: 200, 64: 20}


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
        "accuracy": for each length of `AT`, of four chains, the mean over all statements at each t;
        "separation": for chains of 16, the three lists of `Separation`, t = 1 … 32;
        and of a looped model "rest": the largest of `rests` at t = 64 and at t = 500, for chains of 16.
    """
    loops = isinstance(model, LoopedTransformer)
    told: dict[str, Any] = {"accuracy": {}}
    for length, every in AT.items():
        at = every if loops else (1,)
        shares = accuracy(model, contexts_of(length, _CONTEXTS[length]), at).mean(dim=1)
        told["accuracy"][str(length)] = {str(t): five_digits(share) for t, share in zip(at, shares, strict=True)}
    contexts = contexts_of(16, 100)
    parted = separation(model, contexts, flipped(contexts, 0), 0, 32)
    told["separation"] = {name: [five_digits(v) for v in values] for name, values in parted._asdict().items()}
    if isinstance(model, LoopedTransformer):
        some = contexts.take(slice(0, 20))
        told["rest"] = {str(t): five_digits(rests(model, some, t).max()) for t in (64, 500)}
    return told


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
