"""Trained networks on disk: weights as safetensors, and a model card beside them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from implicit_lib.cases import _files
from implicit_lib.cases._files import load_weights, parameter_count
from implicit_lib.cases._running import Progress, train_once, write_trained

from ._data import VISCOSITY, held_out_flows, training_flows
from ._evaluation import quality
from ._flow import Flow
from ._flows import Flows
from ._networks import FNOSize, ImplicitFNO
from ._recipe import ModelName, Recipe, Replay, recipe
from ._training import Trained, train

WEIGHTS = Path(__file__).parent / "weights"
"""The networks that ship."""

CARD_ITERATIONS = (1, 2, 4, 8, 16, 32, 64, 100)
"""The t for which a card holds numbers; of an explicit network 1 only."""

LATE, FEW = 500, 50
"""A t far beyond training, and on how many flows an implicit network is judged there."""


def train_and_write(
    recipe: Recipe, folder: Path, *, device: torch.device | str = "cpu", progress: Progress = print
) -> dict[str, Any]:
    """Train by `recipe` into the folder unless that has been done, resuming what was interrupted; returns the card.

    Raises:
        TrainingInterrupted, CheckpointError, FloatingPointError: as `train` does.
        CheckpointError: the folder holds a network of another recipe.
        WeightsError: the folder holds a card of that name that is damaged.
    """

    def make(checkpoint: Path) -> dict[str, Any]:
        trained = train(recipe, training_flows(recipe.side), checkpoint, device=device, progress=progress)
        progress(f"{recipe.name}: evaluating")
        return write_model(recipe, trained, folder)

    def read() -> dict[str, Any]:
        return read_card(recipe.model, seed=recipe.seed, folder=folder)

    return train_once(recipe, folder, read=read, recipe_of=recipe_of, make=make)


def write_model(recipe: Recipe, trained: Trained, folder: Path) -> dict[str, Any]:
    """Write NAME.safetensors and its card NAME.json into the folder, the card last; returns the card."""

    def judge() -> dict[str, Any]:
        return {
            "parameters": parameter_count(trained.model),
            "metrics": metrics(trained.model, held_out_flows(recipe.side)),
        }

    return write_trained(recipe, trained, folder, judge)


def metrics(model: nn.Module, flows: Flows) -> dict[str, Any]:
    """What a card tells of a network, to five digits, on the CPU.

    Returns:
        "error", "worst", "step" and "imbalance" of `quality` for t in CARD_ITERATIONS; and of an implicit network
        "late", the error on FEW of the flows at t = 100 and at t = LATE.
    """
    model, flow = model.cpu(), Flow(flows.forcing.shape[-1], VISCOSITY)
    found = quality(model, flow, flows.forcing, flows.vorticity, CARD_ITERATIONS)
    told: dict[str, Any] = {name: _told(values, CARD_ITERATIONS) for name, values in found._asdict().items()}
    if isinstance(model, ImplicitFNO):
        late = quality(model, flow, flows.forcing[:FEW], flows.vorticity[:FEW], (100, LATE))
        told["late"] = _told(late.error, (100, LATE))
    return told


def _told(values: Tensor, at: tuple[int, ...]) -> dict[str, float]:
    """A value for each t, or the only one."""
    return {str(t): float(f"{value:.4e}") for t, value in zip(at, values.tolist(), strict=False)}


def recipe_of(card: dict[str, Any]) -> Recipe:
    """The recipe that a card tells of."""
    fields = dict(card["recipe"])
    fields["size"] = FNOSize(**fields["size"])
    fields["replay"] = fields["replay"] and Replay(**fields["replay"])
    return Recipe(**fields)


def read_card(model: ModelName, *, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of a trained network.

    Raises:
        WeightsError: it is missing or damaged.
    """
    name = recipe(model, seed).name
    return _files.read_card(folder / f"{name}.json", recipe_of, remedy=_remedy(model, seed, folder))


def load(
    model: ModelName, *, side: int = 32, seed: int = 0, folder: Path = WEIGHTS, device: torch.device | str = "cpu"
) -> nn.Module:
    """A trained network in evaluation mode: an `ExplicitFNO` or an `ImplicitFNO`.

    Args:
        model: its name.
        side: N, points along a side: any that resolve its waves, whatever it was trained on.
        seed: of its training.
        folder: where it lies.
        device: where it goes.

    Raises:
        WeightsError: its card or its weights are missing or damaged.
    """
    of = recipe_of(read_card(model, seed=seed, folder=folder))
    module = dataclasses.replace(of, side=side).build()
    load_weights(module, folder / f"{of.name}.safetensors", remedy=_remedy(model, seed, folder))
    return module.to(device).eval()


def _remedy(model: ModelName, seed: int, folder: Path) -> str:
    return f"python -m implicit_lib.cases.navier_stokes train --model {model} --seed {seed} --output {folder}"
