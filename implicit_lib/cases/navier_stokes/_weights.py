"""Trained networks on disk: weights as safetensors, and a model card beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from implicit_lib.cases import _files
from implicit_lib.cases._files import five_digits, load_weights, parameter_count
from implicit_lib.cases._running import Progress, RecipeError, found_card, train_once, write_trained
from implicit_lib.model import ImplicitModel

from . import _reference
from ._data import VISCOSITY, held_out_flows, shipped_hash, training_flows
from ._evaluation import perturbations, quality, sensitivity, speed_limit
from ._flow import Flow
from ._flows import Pairs
from ._networks import BOOK_UNITS, FNOSize, ImplicitFNO, Units
from ._recipe import ModelName, Recipe, Replay
from ._reference import ReferenceDataError, reference_flows
from ._training import Trained, train

WEIGHTS = Path(__file__).parent / "weights"
"""The networks that ship."""

CARD_ITERATIONS = (1, 2, 4, 8, 16, 32, 64, 100)
"""The t for which a card holds numbers; of an explicit network 1 only."""

LATE, FEW = 500, 50
"""A t far beyond training, and on how many flows an implicit network is judged there."""

SENSED, STEEP = 40, 8
"""Up to which t, and on how many flows, a card tells of L_t."""

LIMITED = 12
"""Up to which t a card tells of the speed limit, which has run away by then."""


class _Data(NamedTuple):
    """What is trained and tested on, and in words where it is from."""

    training: Pairs
    test: Pairs
    viscosity: float
    sha256: str
    origin: str


def train_and_write(
    recipe: Recipe,
    folder: Path,
    *,
    reference: Path | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = print,
) -> dict[str, Any]:
    """Train by `recipe` into the folder unless that has been done, resuming what was interrupted; returns the card.

    Where the recipe's data is the reference's and cannot be had, one line of progress says why, and the shipped flows
    take its place, on as many points and in their units. All else of the recipe stays. The card tells, in its recipe
    and its data.

    Args:
        recipe: what to do.
        folder: where to.
        reference: the folder of the reference's flows; see `reference_flows`.
        device: where to compute.
        progress: called with a line that tells how far it is.

    Raises:
        TrainingInterrupted, CheckpointError, FloatingPointError: as `train` does.
        CheckpointError: the folder holds a network of another recipe.
        WeightsError: the folder holds a card of that name that is damaged.
        RecipeError: a folder is given to a recipe that does not use it.
    """
    if reference is not None and recipe.data != "reference":
        raise RecipeError(f"{recipe.name} trains on the shipped flows, and not on {reference}; choose the preset paper")
    card = found_card(recipe, folder, _reader(recipe, folder), recipe_of)
    if card is not None:
        return card
    recipe, data = _data(recipe, reference, progress)

    def make(checkpoint: Path) -> dict[str, Any]:
        trained = train(recipe, data.training, checkpoint, device=device, progress=progress)
        progress(f"{recipe.name}: evaluating")
        return write_model(recipe, trained, data, folder)

    return train_once(recipe, folder, read=_reader(recipe, folder), recipe_of=recipe_of, make=make)


def _reader(recipe: Recipe, folder: Path) -> Callable[[], dict[str, Any]]:
    return lambda: read_card(recipe.model, seed=recipe.seed, folder=folder)


def _data(recipe: Recipe, reference: Path | None, progress: Progress) -> tuple[Recipe, _Data]:
    """The flows of the recipe; or the shipped ones, and the recipe with them."""
    if recipe.data == "shipped":
        return recipe, _shipped(recipe.side, "shipped with the library")
    try:
        if reference is None:
            raise ReferenceDataError("no folder of the reference's flows is given")
        found = reference_flows(reference, recipe.side, progress)
    except ReferenceDataError as error:
        progress(
            f"{error}; download {_reference.NAME} from {_reference.URL} and say where it is, by --reference FOLDER. "
            f"Until then the shipped flows take its place, at viscosity {VISCOSITY}"
        )
        shipped = dataclasses.replace(recipe, data="shipped", units=BOOK_UNITS)
        return shipped, _shipped(recipe.side, f"shipped with the library, in place of the reference's: {error}")
    origin = f"{_reference.NAME} of {_reference.URL}"
    return recipe, _Data(found.training, found.test, _reference.VISCOSITY, found.sha256, origin)


def _shipped(side: int, origin: str) -> _Data:
    return _Data(training_flows(side), held_out_flows(side), VISCOSITY, shipped_hash(), origin)


def write_model(recipe: Recipe, trained: Trained, data: _Data, folder: Path) -> dict[str, Any]:
    """Write NAME.safetensors and its card NAME.json into the folder, the card last; returns the card."""

    def judge() -> dict[str, Any]:
        missed = Flow(recipe.side, data.viscosity).relative_residual(data.test.vorticity, data.test.forcing)
        return {
            "data": {
                "flows": data.origin,
                "sha256": data.sha256,
                "viscosity": data.viscosity,
                "imbalance": five_digits(missed.mean()),
            },
            "parameters": parameter_count(trained.model),
            "metrics": metrics(trained.model, data.test, data.viscosity),
        }

    return write_trained(recipe, trained, folder, judge)


def metrics(model: nn.Module, flows: Pairs, viscosity: float) -> dict[str, Any]:
    """What a card tells of a network, to five digits, computed on the GPU if it is on one, and on the CPU if not.

    Returns:
        "error", "worst", "far", "step" and "imbalance" of `quality` for t in CARD_ITERATIONS; "sensitivity", the
        paper's L_t for t = 1, 2, … SENSED on STEEP flows. Of an implicit network also "late", the error on FEW of the
        flows at t = 100 and at t = LATE; and of an `ImplicitFNO` "limit", the `speed_limit` on the first flow, t up to
        LIMITED.
    """
    if next(model.parameters()).device.type != "cuda":  # others have no float64
        model = model.cpu()
    flow = Flow(flows.forcing.shape[-1], viscosity)
    found = quality(model, flow, flows.forcing, flows.vorticity, CARD_ITERATIONS)
    told: dict[str, Any] = {name: _told(values, CARD_ITERATIONS) for name, values in found._asdict().items()}
    some = flows.forcing[:STEEP], perturbations(flow, flows.vorticity[:STEEP])
    forcing, changes = (each.to(next(model.parameters())) for each in some)
    told["sensitivity"] = _digits(sensitivity(model, forcing, changes, SENSED).value)
    if isinstance(model, ImplicitModel):
        late = quality(model, flow, flows.forcing[:FEW], flows.vorticity[:FEW], (100, LATE))
        told["late"] = _told(late.error, (100, LATE))
    if isinstance(model, ImplicitFNO):
        limit = speed_limit(model, forcing[:1], LIMITED)
        told["limit"] = {name: _digits(values) for name, values in limit._asdict().items()}
    return told


def _told(values: Tensor, at: tuple[int, ...]) -> dict[str, float]:
    """A value for each t, or the only one."""
    return {str(t): value for t, value in zip(at, _digits(values), strict=False)}


def _digits(values: Tensor) -> list[float]:
    return [five_digits(value) for value in values]


def recipe_of(card: dict[str, Any]) -> Recipe:
    """The recipe that a card tells of."""
    fields = dict(card["recipe"])
    fields["size"] = FNOSize(**fields["size"])
    fields["units"] = Units(**fields["units"])
    fields["replay"] = fields["replay"] and Replay(**fields["replay"])
    return Recipe(**fields)


def read_card(model: ModelName, *, seed: int = 0, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of a trained network.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return _files.read_card(folder / f"{model}-seed{seed}.json", recipe_of, remedy=_remedy(model, seed, folder))


def load(
    model: ModelName, *, side: int = 32, seed: int = 0, folder: Path = WEIGHTS, device: torch.device | str = "cpu"
) -> nn.Module:
    """A trained network in evaluation mode: an `ExplicitFNO`, an `ImplicitFNO` or an `ImplicitInformed`.

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
