"""Trained models on disk: weights as safetensors, and a model card beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from implicit_lib.cases import _files
from implicit_lib.cases._files import five_digits, load_weights, parameter_count
from implicit_lib.cases._running import Progress, train_once, write_trained

from ._evaluation import FIELDS, Model, errors, moduli, sensitivity
from ._instances import Instances, held_out_instances, training_instances
from ._networks import ImplicitGNN
from ._recipe import Contraction, ModelName, Phase, Recipe
from ._training import Trained, train

WEIGHTS = Path(__file__).parent / "weights"
"""The models that ship."""

CARD_ITERATIONS = (1, 2, 3, 5, 8, 12, 16, 24, 32, 50, 100, 200)
"""The t for which a card holds numbers; of an explicit model 1 only."""


def train_and_write(
    recipe: Recipe, folder: Path, *, device: torch.device | str = "cpu", progress: Progress = print
) -> dict[str, Any]:
    """Train by `recipe` into the folder unless that has been done, resuming what was interrupted; returns the card.

    Raises:
        TrainingInterrupted, CheckpointError, FloatingPointError: as `train` does.
        WeightsError: the folder holds a card of that name that is damaged.
    """

    def make(checkpoint: Path) -> dict[str, Any]:
        instances = training_instances(progress=progress)
        trained = train(recipe, instances, checkpoint, device=device, progress=progress)
        return write_model(recipe, trained, instances, held_out_instances(progress=progress), folder)

    def read() -> dict[str, Any]:
        return read_card(recipe.model, recipe.embedding, seed=recipe.seed, folder=folder)

    return train_once(recipe, folder, read=read, recipe_of=recipe_of, make=make)


def write_model(
    recipe: Recipe, trained: Trained, training: Instances, held_out: Instances, folder: Path
) -> dict[str, Any]:
    """Write NAME.safetensors and its card NAME.json into the folder, the card last; returns the card."""

    def judge() -> dict[str, Any]:
        return {
            "data": {
                name: _files.data_hash(*each.programs) for name, each in (("training", training), ("test", held_out))
            },
            "parameters": parameter_count(trained.model),
            "metrics": metrics(trained.model, held_out),
            "training_error": _at_iterations(errors(trained.model, training)),
        }

    return write_trained(recipe, trained, folder, judge)


def metrics(model: Model, instances: Instances) -> dict[str, Any]:
    """What a card tells of a model, to five digits.

    Returns:
        "error", the paper's, for t in CARD_ITERATIONS; "sensitivity", L_t for each field on the first 200 programs; and
        of an implicit model "modulus", the largest ‖∂G/∂z‖ at the iterates of all programs, with the share of programs
        for which it is below 1.
    """
    some = instances.programs.take(slice(0, 200))
    found: dict[str, Any] = {
        "error": _at_iterations(errors(model, instances)),
        "sensitivity": {
            field: _at_iterations(sensitivity(model, some, field, iterations=max(CARD_ITERATIONS)).value)
            for field in FIELDS
        },
    }
    if isinstance(model, ImplicitGNN):
        largest = moduli(model, instances.programs).amax(dim=0)
        found["modulus"] = {
            "largest": five_digits(largest.max()),
            "below_one": five_digits((largest < 1).double().mean()),
        }
    return found


def _at_iterations(values: torch.Tensor) -> dict[str, float]:
    return {str(t): five_digits(values[t - 1]) for t in CARD_ITERATIONS if t <= len(values)}


def recipe_of(card: dict[str, Any]) -> Recipe:
    """The recipe that a card tells of."""
    fields = dict(card["recipe"])
    fields["phases"] = tuple(Phase(**phase) for phase in fields["phases"])
    fields["contraction"] = fields["contraction"] and Contraction(**fields["contraction"])
    return Recipe(**fields)


def read_card(model: ModelName, embedding: int, *, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of a trained model.

    Raises:
        WeightsError: it is missing or damaged.
    """
    remedy = _remedy(model, embedding, seed, folder)
    return _files.read_card(folder / f"{model}-{embedding}-seed{seed}.json", recipe_of, remedy=remedy)


def load(
    model: ModelName,
    embedding: int,
    *,
    seed: int = 0,
    folder: Path = WEIGHTS,
    device: torch.device | str = "cpu",
) -> Model:
    """A trained model in evaluation mode: an `ImplicitGNN`, or for "explicit" an `ExplicitGNN`.

    Args:
        model: its name; see `MODELS`.
        embedding: its size; see `EMBEDDINGS`.
        seed: of its training.
        folder: where it lies.
        device: where it goes.

    Raises:
        WeightsError: its card or its weights are missing or damaged.
    """
    recipe = recipe_of(read_card(model, embedding, seed=seed, folder=folder))
    module = recipe.build()
    path, remedy = folder / f"{recipe.name}.safetensors", _remedy(model, embedding, seed, folder)
    load_weights(module, path, remedy=remedy)
    return module.to(device).eval()


def _remedy(model: ModelName, embedding: int, seed: int, folder: Path) -> str:
    return (
        f"python -m implicit_lib.cases.linear_programs train --model {model} --embedding {embedding} --seed {seed} "
        f"--output {folder}"
    )
