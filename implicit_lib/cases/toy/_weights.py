"""Trained models on disk: weights as safetensors, and a model card beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from implicit_lib.cases import _files
from implicit_lib.cases._files import five_digits, load_weights, parameter_count
from implicit_lib.cases._running import Progress, train_once, write_trained

from ._evaluation import evaluate
from ._networks import flops_per_pass
from ._recipe import ModelName, Recipe
from ._targets import Target
from ._training import Trained, data_hash, train

WEIGHTS = Path(__file__).parent / "weights"
"""The models that ship."""

CARD_ITERATIONS = (1, 5, 15, 25, 50, 200)


def write_model(recipe: Recipe, trained: Trained, folder: Path) -> dict[str, Any]:
    """Write NAME.safetensors and its card NAME.json into the folder, the card last; returns the card."""

    def judge() -> dict[str, Any]:
        return {
            "data": {"sha256": data_hash(Target(recipe.target)), "source": "F_K on an even grid, see _targets.py"},
            "parameters": parameter_count(trained.model),
            "flops_per_pass": flops_per_pass(trained.model),
            "metrics": metrics(trained.model, recipe),
        }

    return write_trained(recipe, trained, folder, judge)


def metrics(model: nn.Module, recipe: Recipe) -> dict[str, dict[str, float]]:
    """For t in CARD_ITERATIONS (1 only, without a state): rms error, maximum error and L_t, to five digits."""
    found = evaluate(model, Target(recipe.target), iterations=max(CARD_ITERATIONS))
    return {
        str(t): {name: five_digits(getattr(found, name)[t - 1]) for name in ("rms", "maximum", "lipschitz")}
        for t in CARD_ITERATIONS
        if t <= len(found.rms)
    }


def read_card(model: ModelName, target: int, *, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of a trained model.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return _files.read_card(folder / f"{model}-{target}.json", _recipe_of, remedy=_remedy(model, target, folder))


def load(model: ModelName, target: int, *, folder: Path = WEIGHTS, device: torch.device | str = "cpu") -> nn.Module:
    """A trained model in evaluation mode: an `ImplicitModel` for "implicit" and "unrolled", else a network x ↦ f(x).

    Args:
        model: its name; see `MODELS`.
        target: the Lipschitz constant K of the target.
        folder: where it lies.
        device: where it goes.

    Raises:
        WeightsError: its card or its weights are missing or damaged.
    """
    recipe = _recipe_of(read_card(model, target, folder=folder))
    module = recipe.build()
    load_weights(module, folder / f"{recipe.name}.safetensors", remedy=_remedy(model, target, folder))
    return module.to(device).eval()


def _recipe_of(card: dict[str, Any]) -> Recipe:
    return Recipe(**card["recipe"])


def _remedy(model: ModelName, target: int, folder: Path) -> str:
    return f"python -m implicit_lib.cases.toy train --target {target} --model {model} --output {folder}"


def train_and_write(
    recipe: Recipe, folder: Path, *, device: torch.device | str = "cpu", progress: Progress = print
) -> dict[str, Any]:
    """Train by `recipe` into the folder unless that has been done, resuming what was interrupted; returns the card.

    Raises:
        TrainingInterrupted, CheckpointError, FloatingPointError: as `train` does.
        WeightsError: the folder holds a card of that name that is damaged.
    """
    return train_once(
        recipe,
        folder,
        read=lambda: read_card(recipe.model, recipe.target, folder=folder),
        recipe_of=_recipe_of,
        make=lambda path: write_model(recipe, train(recipe, path, device=device, progress=progress), folder),
    )
